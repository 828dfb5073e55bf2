/*
 * The file, for people with the program sqlite3 too. `select * from messages` shows all messages in the order of posting.
 *
 * The number of MIGRATIONS is the format, which stands in the file (`pragma user_version`); SIGNATURE marks it as ours (`pragma
 * application_id`). An older format is migrated, a newer one is refused. Indexes of single states keep each of them as small as what is in
 * that state.
 */

export const SIGNATURE = 0x72626d62;

const FIRST = `
create table fence (one integer primary key check (one = 1), epoch integer not null, pid integer not null, socket text not null);
insert into fence values (1, 0, 0, '');
create table number (name text primary key, value integer not null) without rowid;
create table box (
  id integer primary key, name text not null unique, settings text not null default '{}',
  queued integer not null default 0, delayed integer not null default 0, claimed integer not null default 0,
  dead integer not null default 0, bytes integer not null default 0, seen integer not null default 0,
  refused integer not null default 0, dropped integer not null default 0
);
create table message (
  position integer primary key, box integer not null, rank integer not null, id text, key text,
  sender text not null, pid integer, uid integer not null, posted integer not null, expires integer,
  bytes integer not null, json integer not null, body text not null, topic text, content integer,
  state integer not null default 0, attempts integer not null default 0, due integer, token integer, holder text, reason text
);
create index queue on message (box, rank, position) where state = 0;
create index claims on message (position) where state = 1;
create index delays on message (due) where state = 2;
create index delayed on message (box, rank, position) where state = 2;
create index dead on message (box, position) where state = 3;
create index expiries on message (expires) where expires is not null and state in (0, 2);
create index keys on message (box, key) where key is not null and state = 0;
create table content (id integer primary key, body text not null, refs integer not null);
create table sent (box integer, id text, position integer not null, until integer not null, primary key (box, id)) without rowid;
create index sent_until on sent (until);
create table subscription (box integer, pattern text, primary key (box, pattern)) without rowid;
create table client (id text primary key, outcomes text not null, at integer not null) without rowid;
create view messages as
  select position, box.name as box, case state when 0 then 'queued' when 1 then 'claimed' when 2 then 'delayed' else 'dead' end as state,
    sender, pid, uid, datetime(posted / 1000, 'unixepoch') as posted, attempts, coalesce(content.body, message.body) as body, reason
  from message join box on box.id = message.box left join content on content.id = message.content order by position;
`;

/** What makes a file of format `i` one of format `i + 1`. */
export const MIGRATIONS: readonly string[] = [FIRST];

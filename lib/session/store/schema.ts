import type { FileFormat } from "../../store/sqlite-file.js";

/*
 * The file of a session, for people with the program sqlite3 too: `select * from events` shows the events, once the session's process has
 * ended. `frame` is the text that interfaces get: [sequence, class, event].
 */

const FIRST = `
create table fact (name text primary key, value text not null) without rowid;
create table event (sequence integer primary key, class text not null, at integer not null, frame text not null);
create table retained (name text primary key, value text not null) without rowid;
create table client (id text primary key, epoch integer not null, instance text not null, acked integer not null, used integer not null)
  without rowid;
create table input (client text, number integer, outcome text, primary key (client, number)) without rowid;
create view events as
  select sequence, class, datetime(at / 1000, 'unixepoch') as at, json_extract(frame, '$[2]') as event from event order by sequence;
`;

export const SESSION_FORMAT: FileFormat = { signature: 0x72627365, migrations: [FIRST] };

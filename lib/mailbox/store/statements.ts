import type { Database, Statement } from "../../store/sqlite-driver.js";

/** The columns of a message, with the text that it may share with others. `select *` would go stale if another process altered the table. */
const COLUMNS =
  "position, box, rank, message.id as id, key, sender, pid, uid, posted, expires, bytes, json, topic, content, state, attempts, due, token, " +
  "holder, reason, case when content is null then body else (select c.body from content c where c.id = content) end as body";
const SELECT = `select ${COLUMNS} from message`;

/** The statements. Each is prepared once for each file that is opened. */
const SQL = {
  begin: "begin immediate",
  epoch: "select epoch, pid, socket from fence",
  commit: "commit",
  boxes: "select id, name, settings, queued, delayed, claimed, dead, bytes, seen, refused, dropped from box",
  addBox: "insert into box (name) values (?) returning id",
  saveBox:
    "update box set settings = ?, queued = ?, delayed = ?, claimed = ?, dead = ?, bytes = ?, seen = ?, refused = ?, dropped = ? where id = ?",
  insertPlain:
    "insert into message (position, box, rank, sender, pid, uid, posted, bytes, json, body) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
  insertRun:
    "insert into message (position, box, rank, sender, pid, uid, posted, json, bytes, body) " +
    "select ? + key, ?, ?, ?, ?, ?, ?, ?, octet_length(value), value from json_each(?)",
  insert:
    "insert into message (position, box, rank, sender, pid, uid, posted, bytes, json, body, id, key, expires, topic, content, state, " +
    "attempts, due, token, holder, reason) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
  queued: `${SELECT} where box = ? and state = 0 order by rank, position limit ?`,
  queuedOf: `${SELECT} where box = ? and rank = ? and state = 0 order by position limit ?`,
  message: `${SELECT} where position = ?`,
  stand:
    "update message set state = ?, attempts = ?, due = ?, token = ?, holder = ?, reason = ? where position = ?",
  replace:
    "update message set sender = ?, pid = ?, uid = ?, posted = ?, bytes = ?, json = ?, body = ?, id = ?, expires = ?, topic = ?, content = ? " +
    "where position = ?",
  remove: "delete from message where position = ?",
  unref: "update content set refs = refs - 1 where id = ?",
  dropContent: "delete from content where id = ? and refs <= 0",
  addContent: "insert into content (body, refs) values (?, ?) returning id",
  victimQueued: `${SELECT} where box = ? and rank = ? and state = 0 order by position limit 1`,
  victimDelayed: `${SELECT} where box = ? and rank = ? and state = 2 order by position limit 1`,
  delayedOf: `${SELECT} where box = ? and state = 2 order by position limit ?`,
  notice: `${SELECT} where box = ? and key = ? and key is not null and state = 0 limit 1`,
  claims: `${SELECT} where state = 1`,
  due: `${SELECT} where state = 2 and due <= ? order by due limit ?`,
  expired: `${SELECT} where expires is not null and state in (0, 2) and expires <= ? order by expires limit ?`,
  nextDue: "select min(due) as at from message where state = 2",
  nextExpiry: "select min(expires) as at from message where expires is not null and state in (0, 2)",
  listAll: `${SELECT} where position > ? order by position limit ?`,
  listBox: `${SELECT} where box = ? and position > ? order by position limit ?`,
  listState: `${SELECT} where state = ? and position > ? order by position limit ?`,
  listBoxState: `${SELECT} where box = ? and state = ? and position > ? order by position limit ?`,
  listQueued: `${SELECT} where box = ? and state = 0 and position > ? order by position limit ?`,
  listDead: `${SELECT} where box = ? and state = 3 and position > ? order by position limit ?`,
  sent: "select position, until from sent where box = ? and id = ?",
  addSent: "insert or replace into sent (box, id, position, until) values (?, ?, ?, ?)",
  subscriptions: "select box, pattern from subscription",
  subscribe: "insert or ignore into subscription (box, pattern) values (?, ?)",
  unsubscribe: "delete from subscription where box = ? and pattern = ?",
  outcomes: "select outcomes from client where id = ?",
  saveOutcomes: "insert or replace into client (id, outcomes, at) values (?, ?, ?)",
  forgetSent: "delete from sent where until <= ?",
  forgetClients: "delete from client where at < ?",
  number: "select value from number where name = ?",
  setNumber: "insert or replace into number (name, value) values (?, ?)",
  dropMessages: "delete from message where box = ?",
  contentsOf:
    "select content, count(*) as refs from message where box = ? and content is not null group by content",
  unrefMany: "update content set refs = refs - ? where id = ?",
  dropSent: "delete from sent where box = ?",
  dropSubscriptions: "delete from subscription where box = ?",
  dropBox: "delete from box where id = ?",
} as const;

export type Statements = { readonly [Name in keyof typeof SQL]: Statement };

export function prepare(database: Database): Statements {
  return Object.fromEntries(
    Object.entries(SQL).map(([name, sql]) => [name, database.prepare(sql)]),
  ) as Statements;
}

import type { Database, Driver, Row, Statement, Value } from "../../store/sqlite-driver.js";
import type { BoxSettings } from "../message.js";
import { FencedError } from "./fenced-error.js";
import { OpenFile } from "./open-file.js";
import type { BoxRow, MessageRow, NewMessage, Owner, Standing, StateNumber, Tables } from "./tables.js";

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
  insert:
    "insert into message (position, box, rank, sender, pid, uid, posted, bytes, json, body, id, key, expires, topic, content, state, due) " +
    "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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

type Statements = { readonly [Name in keyof typeof SQL]: Statement };

/**
 * Tables in a file of SQLite. A turn is one transaction: `begin immediate`, then the epoch is read under the lock for writing. If it is
 * another one, a later broker has the store, and this one has not written since. SQLite by itself would let both write.
 */
export class SqliteTables implements Tables {
  readonly kind: "node:sqlite" | "better-sqlite3";
  readonly path: string;
  readonly #file: OpenFile;
  readonly #epoch: number;
  #db: Database;
  #do: Statements;

  /** Raises the epoch of the store: from now on no earlier broker writes there. */
  constructor(file: OpenFile, owner: Omit<Owner, "epoch">) {
    this.#file = file;
    this.kind = file.driver.kind;
    this.path = file.path;
    this.#epoch = file.takeOver(owner);
    this.#db = file.database;
    this.#do = prepare(this.#db);
  }

  /** Opens the file, or makes it. Throws a StoreError. */
  static open(
    path: string,
    driver: Driver,
    durability: "process" | "disk",
    owner: Omit<Owner, "epoch">,
  ): SqliteTables {
    const file = OpenFile.open(path, driver, durability);
    try {
      return new SqliteTables(file, owner);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get epoch(): number {
    return this.#epoch;
  }

  begin(): void {
    this.#do.begin.run();
    const { epoch, pid, socket } = this.#do.epoch.get()!;
    if (epoch === this.#epoch) return;
    this.rollback();
    throw new FencedError({ epoch: epoch as number, pid: pid as number, socket: socket as string });
  }

  commit(): void {
    this.#do.commit.run();
  }

  rollback(): void {
    try {
      this.#db.exec("rollback");
    } catch {
      // SQLite has rolled back by itself, as it does where the disk is full.
    }
  }

  close(): void {
    this.#file.close();
  }

  tend(): void {
    if (!this.#file.tend()) return;
    this.#db = this.#file.database;
    this.#do = prepare(this.#db);
  }

  boxes(): BoxRow[] {
    return this.#do.boxes.all().map((row) => ({
      ...(row as unknown as BoxRow),
      settings: JSON.parse(row.settings as string) as Partial<BoxSettings>,
      seen: row.seen === 1,
    }));
  }

  addBox(name: string): BoxRow {
    const id = this.#do.addBox.all(name)[0]!.id as number;
    const counts = { queued: 0, delayed: 0, claimed: 0, dead: 0, bytes: 0, refused: 0, dropped: 0 };
    return { id, name, settings: {}, ...counts, seen: false };
  }

  saveBox(box: BoxRow): void {
    const { queued, delayed, claimed, dead, bytes, refused, dropped } = box;
    const counts = [queued, delayed, claimed, dead, bytes, box.seen ? 1 : 0, refused, dropped];
    this.#do.saveBox.run(JSON.stringify(box.settings), ...counts, box.id);
  }

  dropBox(box: number): void {
    for (const { content, refs } of this.#do.contentsOf.all(box)) {
      this.#do.unrefMany.run(refs!, content!);
      this.#do.dropContent.run(content!);
    }
    for (const name of ["dropMessages", "dropSent", "dropSubscriptions", "dropBox"] as const) {
      this.#do[name].run(box);
    }
  }

  insert(message: NewMessage, due: number | null): void {
    const { position, box, rank, id, key, sender, pid, uid, posted, expires, bytes, json, body } = message;
    const { topic, content } = message;
    if (id === null && key === null && expires === null && content === null && due === null) {
      this.#do.insertPlain.run(position, box, rank, sender, pid, uid, posted, bytes, json ? 1 : 0, body);
      return;
    }
    const more = [id, key, expires, topic, content, due === null ? 0 : 2, due];
    this.#do.insert.run(position, box, rank, sender, pid, uid, posted, bytes, json ? 1 : 0, body, ...more);
  }

  queued(box: number, most: number, rank?: number): MessageRow[] {
    return rows(rank === undefined ? this.#do.queued.all(box, most) : this.#do.queuedOf.all(box, rank, most));
  }

  message(position: number): MessageRow | undefined {
    return row(this.#do.message.get(position));
  }

  stand(position: number, { state, attempts, due, token, holder, reason }: Standing): void {
    this.#do.stand.run(state, attempts, due, token, holder, reason, position);
  }

  replace(position: number, message: NewMessage): void {
    const { sender, pid, uid, posted, bytes, json, body, id, expires, topic, content } = message;
    this.#do.replace.run(
      ...[sender, pid, uid, posted, bytes, json ? 1 : 0, body, id, expires, topic, content, position],
    );
  }

  remove(position: number, content: number | null): void {
    this.#do.remove.run(position);
    if (content === null) return;
    this.#do.unref.run(content);
    this.#do.dropContent.run(content);
  }

  victim(box: number, least: number): MessageRow | undefined {
    for (let rank = 2; rank >= least; rank--) {
      const queued = row(this.#do.victimQueued.get(box, rank));
      const delayed = row(this.#do.victimDelayed.get(box, rank));
      if (queued === undefined || delayed === undefined) {
        if (queued !== undefined || delayed !== undefined) return queued ?? delayed;
      } else {
        return queued.position < delayed.position ? queued : delayed;
      }
    }
    return undefined;
  }

  waiting(box: number, most: number): MessageRow[] {
    const queued = this.queued(box, most);
    return queued.length >= most
      ? queued
      : [...queued, ...rows(this.#do.delayedOf.all(box, most - queued.length))];
  }

  notice(box: number, key: string): MessageRow | undefined {
    return row(this.#do.notice.get(box, key));
  }

  claims(): MessageRow[] {
    return rows(this.#do.claims.all());
  }

  due(now: number, most: number): MessageRow[] {
    return rows(this.#do.due.all(now, most));
  }

  expired(now: number, most: number): MessageRow[] {
    return rows(this.#do.expired.all(now, most));
  }

  next(): number | undefined {
    const due = (this.#do.nextDue.get()!.at as number | null) ?? Number.POSITIVE_INFINITY;
    const expiry = (this.#do.nextExpiry.get()!.at as number | null) ?? Number.POSITIVE_INFINITY;
    const next = Math.min(due, expiry);
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  list(box: number | undefined, state: StateNumber | undefined, after: number, most: number): MessageRow[] {
    if (box === undefined) {
      return rows(
        state === undefined ? this.#do.listAll.all(after, most) : this.#do.listState.all(state, after, most),
      );
    }
    if (state === undefined) return rows(this.#do.listBox.all(box, after, most));
    if (state === 0) return rows(this.#do.listQueued.all(box, after, most));
    if (state === 3) return rows(this.#do.listDead.all(box, after, most));
    return rows(this.#do.listBoxState.all(box, state, after, most));
  }

  addContent(body: string, references: number): number {
    return this.#do.addContent.all(body, references)[0]!.id as number;
  }

  sent(box: number, id: string): { position: number; until: number } | undefined {
    return this.#do.sent.get(box, id) as { position: number; until: number } | undefined;
  }

  addSent(box: number, id: string, position: number, until: number): void {
    this.#do.addSent.run(box, id, position, until);
  }

  subscriptions(): { box: number; pattern: string }[] {
    return this.#do.subscriptions.all() as { box: number; pattern: string }[];
  }

  subscribe(box: number, pattern: string): void {
    this.#do.subscribe.run(box, pattern);
  }

  unsubscribe(box: number, pattern: string): void {
    this.#do.unsubscribe.run(box, pattern);
  }

  outcomes(client: string): string | undefined {
    return this.#do.outcomes.get(client)?.outcomes as string | undefined;
  }

  saveOutcomes(client: string, outcomes: string, at: number): void {
    this.#do.saveOutcomes.run(client, outcomes, at);
  }

  forget(now: number, before: number): void {
    this.#do.forgetSent.run(now);
    this.#do.forgetClients.run(before);
  }

  number(name: string): number {
    return (this.#do.number.get(name)?.value as number | undefined) ?? 0;
  }

  setNumber(name: string, value: number): void {
    this.#do.setNumber.run(name, value);
  }
}

function prepare(db: Database): Statements {
  return Object.fromEntries(Object.entries(SQL).map(([name, sql]) => [name, db.prepare(sql)])) as Statements;
}

function row(found: Row | undefined): MessageRow | undefined {
  return found === undefined
    ? undefined
    : { ...(found as Record<string, Value> as unknown as MessageRow), json: found.json === 1 };
}

function rows(found: Row[]): MessageRow[] {
  return found.map((one) => row(one)!);
}

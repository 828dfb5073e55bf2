import type { Database, Driver, Row, Value } from "../../store/sqlite-driver.js";
import type { BoxSettings } from "../message.js";
import { FencedError } from "./fenced-error.js";
import { insertRows } from "./inserts.js";
import { OpenFile } from "./open-file.js";
import { prepare, type Statements } from "./statements.js";
import type { BoxRow, MessageRow, NewMessage, Owner, Standing, StateNumber, Tables } from "./tables.js";
import { Unwritten } from "./unwritten.js";

/**
 * Tables in a file of SQLite. A turn is one transaction: `begin immediate`, then the epoch is read under the lock for writing. If it is
 * another one, a later broker has the store, and this one has not written since. SQLite by itself would let both write.
 *
 * The transaction begins with the first statement of the turn. New messages and deletions wait in memory until then, or until a statement
 * may meet them. So a message that is posted and taken in one turn is written once, and never read.
 */
export class SqliteTables implements Tables {
  readonly kind: "node:sqlite" | "better-sqlite3";
  readonly path: string;
  readonly #file: OpenFile;
  readonly #epoch: number;
  readonly #unwritten = new Unwritten();
  #db: Database;
  #statements: Statements;
  /** `late`: it has begun, and no statement has run yet. */
  #turn: "none" | "late" | "open" = "none";

  /** Raises the epoch of the store: from now on no earlier broker writes there. */
  constructor(file: OpenFile, owner: Omit<Owner, "epoch">) {
    this.#file = file;
    this.kind = file.driver.kind;
    this.path = file.path;
    this.#epoch = file.takeOver(owner);
    this.#db = file.database;
    this.#statements = prepare(this.#db);
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
    this.#turn = "late";
  }

  confirm(): void {
    if (this.#turn === "late") this.#open();
  }

  commit(): void {
    if (this.#turn === "open" || this.#unwritten.some) this.#do.commit.run();
    this.#turn = "none";
  }

  rollback(): void {
    const { some } = this.#unwritten;
    if (some) this.#unwritten.take();
    this.#turn = "none";
    try {
      this.#db.exec("rollback");
    } catch {
      // No statement has run; or SQLite has rolled back by itself, as it does where the disk is full.
    }
  }

  close(): void {
    this.#file.close();
  }

  tend(): void {
    if (!this.#file.tend()) return;
    this.#db = this.#file.database;
    this.#statements = prepare(this.#db);
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

  insert(message: NewMessage, due: number | null, attempts = 0): void {
    this.#unwritten.add(message, due, attempts);
  }

  queued(box: Pick<BoxRow, "id" | "queued">, most: number, rank?: number): MessageRow[] {
    if (this.#unwritten.queued(box.id) === box.queued) return this.#unwritten.first(box.id, most, rank);
    const { id } = box;
    return rows(rank === undefined ? this.#do.queued.all(id, most) : this.#do.queuedOf.all(id, rank, most));
  }

  message(position: number): MessageRow | undefined {
    return row(this.#do.message.get(position));
  }

  stand(position: number, standing: Standing): void {
    if (this.#unwritten.stand(position, standing)) return;
    const { state, attempts, due, token, holder, reason } = standing;
    this.#do.stand.run(state, attempts, due, token, holder, reason, position);
  }

  replace(position: number, message: NewMessage): void {
    const { sender, pid, uid, posted, bytes, json, body, id, expires, topic, content } = message;
    this.#do.replace.run(
      ...[sender, pid, uid, posted, bytes, json ? 1 : 0, body, id, expires, topic, content, position],
    );
  }

  remove(position: number, content: number | null): void {
    if (content === null) {
      this.#unwritten.remove(position);
      return;
    }
    this.#do.remove.run(position);
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
    const queued = rows(this.#do.queued.all(box, most));
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

  /** The statements, in a transaction that has begun, and after all that was to be written before. */
  get #do(): Statements {
    this.confirm();
    if (this.#unwritten.some) {
      const { rows: added, removed } = this.#unwritten.take();
      for (const position of removed) this.#statements.remove.run(position);
      insertRows(this.#statements, added);
    }
    return this.#statements;
  }

  #open(): void {
    this.#turn = "open";
    this.#statements.begin.run();
    const { epoch, pid, socket } = this.#statements.epoch.get()!;
    if (epoch === this.#epoch) return;
    this.rollback();
    throw new FencedError({ epoch: epoch as number, pid: pid as number, socket: socket as string });
  }
}

function row(found: Row | undefined): MessageRow | undefined {
  return found === undefined
    ? undefined
    : { ...(found as Record<string, Value> as unknown as MessageRow), json: found.json === 1 };
}

function rows(found: Row[]): MessageRow[] {
  return found.map((one) => row(one)!);
}

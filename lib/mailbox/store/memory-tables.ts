import type { BoxRow, MessageRow, NewMessage, Standing, StateNumber, Tables } from "./tables.js";
import { State } from "./tables.js";

const QUEUED_STANDING: Standing = {
  state: State.QUEUED,
  attempts: 0,
  due: null,
  token: null,
  holder: null,
  reason: null,
};

/** Positions in ascending order. Most are added at the end and taken at the beginning. */
class Positions {
  #list: number[] = [];
  #first = 0;

  get size(): number {
    return this.#list.length - this.#first;
  }

  add(position: number): void {
    const last = this.#list.at(-1);
    if (last === undefined || this.size === 0 || last < position) this.#list.push(position);
    else this.#list.splice(this.#find(position), 0, position);
  }

  delete(position: number): void {
    const at = this.#find(position);
    if (this.#list[at] !== position) return;
    if (at === this.#first) this.#first++;
    else this.#list.splice(at, 1);
    if (this.#first > 1000 && this.#first > this.#list.length / 2) {
      this.#list = this.#list.slice(this.#first);
      this.#first = 0;
    }
  }

  take(most: number): number[] {
    return this.#list.slice(this.#first, this.#first + most);
  }

  #find(position: number): number {
    let [low, high] = [this.#first, this.#list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#list[middle]! < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Tables that end with the process: for tests, and for what needs no store. A turn can't fail halfway, so there is nothing to roll back. */
export class MemoryTables implements Tables {
  readonly kind = "memory";
  readonly path = undefined;
  readonly #boxes = new Map<number, BoxRow>();
  readonly #messages = new Map<number, MessageRow>();
  /** Queued messages by box and rank. */
  readonly #queues = new Map<number, Positions[]>();
  readonly #claimed = new Set<number>();
  readonly #delayed = new Set<number>();
  readonly #expiring = new Set<number>();
  readonly #contents = new Map<number, { body: string; references: number }>();
  readonly #sent = new Map<string, { position: number; until: number }>();
  readonly #subscriptions = new Map<string, { box: number; pattern: string }>();
  readonly #outcomes = new Map<string, { outcomes: string; at: number }>();
  readonly #numbers = new Map<string, number>();
  #lastBox = 0;
  #lastContent = 0;

  begin(): void {}
  confirm(): void {}
  commit(): void {}
  rollback(): void {}
  close(): void {}
  tend(): void {}

  boxes(): BoxRow[] {
    return [...this.#boxes.values()];
  }

  addBox(name: string): BoxRow {
    const id = ++this.#lastBox;
    const counts = { queued: 0, delayed: 0, claimed: 0, dead: 0, bytes: 0, refused: 0, dropped: 0 };
    const box: BoxRow = { id, name, settings: {}, ...counts, seen: false };
    this.#boxes.set(id, box);
    this.#queues.set(id, [new Positions(), new Positions(), new Positions()]);
    return box;
  }

  saveBox(): void {}

  dropBox(box: number): void {
    this.#boxes.delete(box);
    this.#queues.delete(box);
    for (const row of this.#messages.values()) if (row.box === box) this.remove(row.position, row.content);
    for (const [key, one] of this.#subscriptions) if (one.box === box) this.#subscriptions.delete(key);
    for (const key of this.#sent.keys()) if (key.startsWith(`${box} `)) this.#sent.delete(key);
  }

  insert(message: NewMessage, due: number | null, attempts = 0): void {
    const standing = due === null ? QUEUED_STANDING : { ...QUEUED_STANDING, state: State.DELAYED, due };
    this.#place({ ...message, ...standing, attempts });
  }

  queued(box: Pick<BoxRow, "id">, most: number, rank?: number): MessageRow[] {
    const rows: MessageRow[] = [];
    for (const [at, queue] of this.#queues.get(box.id)!.entries()) {
      if (rank !== undefined && rank !== at) continue;
      for (const position of queue.take(most - rows.length)) rows.push(this.#full(position));
    }
    return rows;
  }

  message(position: number): MessageRow | undefined {
    return this.#messages.has(position) ? this.#full(position) : undefined;
  }

  stand(position: number, standing: Standing): void {
    const row = this.#messages.get(position)!;
    this.#unplace(row);
    this.#place({ ...row, ...standing });
  }

  replace(position: number, message: NewMessage): void {
    const row = this.#messages.get(position)!;
    this.#unplace(row);
    this.#place({ ...row, ...message, position });
  }

  remove(position: number, content: number | null): void {
    const row = this.#messages.get(position);
    if (row === undefined) return;
    this.#unplace(row);
    this.#messages.delete(position);
    const shared = content === null ? undefined : this.#contents.get(content);
    if (shared !== undefined && --shared.references === 0) this.#contents.delete(content!);
  }

  victim(box: number, rank: number): MessageRow | undefined {
    const waiting = this.waiting(box, Number.POSITIVE_INFINITY).filter((row) => row.rank >= rank);
    return waiting.sort((a, b) => b.rank - a.rank || a.position - b.position)[0];
  }

  waiting(box: number, most: number): MessageRow[] {
    const delayed = this.#rows(this.#delayed).filter((row) => row.box === box);
    return [...this.queued({ id: box }, most), ...delayed].slice(0, most);
  }

  notice(box: number, key: string): MessageRow | undefined {
    return this.queued({ id: box }, Number.POSITIVE_INFINITY).find((row) => row.key === key);
  }

  claims(): MessageRow[] {
    return this.#rows(this.#claimed);
  }

  due(now: number, most: number): MessageRow[] {
    return this.#rows(this.#delayed)
      .filter((row) => row.due! <= now)
      .slice(0, most);
  }

  expired(now: number, most: number): MessageRow[] {
    return this.#rows(this.#expiring)
      .filter((row) => row.expires! <= now)
      .slice(0, most);
  }

  next(): number | undefined {
    let next = Number.POSITIVE_INFINITY;
    for (const position of this.#delayed) next = Math.min(next, this.#messages.get(position)!.due!);
    for (const position of this.#expiring) next = Math.min(next, this.#messages.get(position)!.expires!);
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  list(box: number | undefined, state: StateNumber | undefined, after: number, most: number): MessageRow[] {
    const rows = [...this.#messages.values()].filter(
      (row) =>
        row.position > after &&
        (box === undefined || row.box === box) &&
        (state === undefined || row.state === state),
    );
    rows.sort((a, b) => a.position - b.position);
    return rows.slice(0, most).map((row) => this.#full(row.position));
  }

  addContent(body: string, references: number): number {
    const id = ++this.#lastContent;
    this.#contents.set(id, { body, references });
    return id;
  }

  sent(box: number, id: string): { position: number; until: number } | undefined {
    return this.#sent.get(`${box} ${id}`);
  }

  addSent(box: number, id: string, position: number, until: number): void {
    this.#sent.set(`${box} ${id}`, { position, until });
  }

  subscriptions(): { box: number; pattern: string }[] {
    return [...this.#subscriptions.values()];
  }

  subscribe(box: number, pattern: string): void {
    this.#subscriptions.set(`${box} ${pattern}`, { box, pattern });
  }

  unsubscribe(box: number, pattern: string): void {
    this.#subscriptions.delete(`${box} ${pattern}`);
  }

  outcomes(client: string): string | undefined {
    return this.#outcomes.get(client)?.outcomes;
  }

  saveOutcomes(client: string, outcomes: string, at: number): void {
    this.#outcomes.set(client, { outcomes, at });
  }

  forget(now: number, before: number): void {
    for (const [key, { until }] of this.#sent) if (until <= now) this.#sent.delete(key);
    for (const [client, { at }] of this.#outcomes) if (at < before) this.#outcomes.delete(client);
  }

  number(name: string): number {
    return this.#numbers.get(name) ?? 0;
  }

  setNumber(name: string, value: number): void {
    this.#numbers.set(name, value);
  }

  #rows(positions: Iterable<number>): MessageRow[] {
    return [...positions].map((position) => this.#full(position));
  }

  /** The row, with the text that it may share with others. */
  #full(position: number): MessageRow {
    const row = this.#messages.get(position)!;
    return row.content === null ? row : { ...row, body: this.#contents.get(row.content)!.body };
  }

  #place(row: MessageRow): void {
    const { position, state } = row;
    this.#messages.set(position, row);
    if (state === State.QUEUED) this.#queues.get(row.box)?.[row.rank]?.add(position);
    if (state === State.CLAIMED) this.#claimed.add(position);
    if (state === State.DELAYED) this.#delayed.add(position);
    if (row.expires !== null && (state === State.QUEUED || state === State.DELAYED)) {
      this.#expiring.add(position);
    }
  }

  #unplace(row: MessageRow): void {
    const { position } = row;
    if (row.state === State.QUEUED) this.#queues.get(row.box)?.[row.rank]?.delete(position);
    this.#claimed.delete(position);
    this.#delayed.delete(position);
    this.#expiring.delete(position);
  }
}

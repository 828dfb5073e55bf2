import type { BoxSettings } from "../message.js";

/*
 * What the state machine keeps: boxes, messages, and what it remembers of senders. There are two kinds of tables, in memory and in SQLite.
 * They only keep rows; machine/ decides what happens to them. A call that changes something stands between `begin` and `commit`.
 */

/** QUEUED can be taken, CLAIMED was taken and is not settled, DELAYED waits for its time, DEAD was given up. */
export const State = { QUEUED: 0, CLAIMED: 1, DELAYED: 2, DEAD: 3 } as const;
export type StateNumber = (typeof State)[keyof typeof State];

export interface BoxRow {
  readonly id: number;
  readonly name: string;
  /** What was set for this box, as far as it differs from the defaults. */
  settings: Partial<BoxSettings>;
  queued: number;
  delayed: number;
  claimed: number;
  dead: number;
  /** Bytes of text of all but the dead. */
  bytes: number;
  /** Whether somebody ever took from it, or waited. */
  seen: boolean;
  refused: number;
  dropped: number;
}

/** What a post says of a message, and does not change. */
export interface NewMessage {
  readonly position: number;
  /** The id of the box. */
  readonly box: number;
  readonly rank: number;
  /** Null if the sender gave none. */
  readonly id: string | null;
  readonly key: string | null;
  readonly sender: string;
  readonly pid: number | null;
  readonly uid: number;
  readonly posted: number;
  readonly expires: number | null;
  readonly bytes: number;
  /** Whether `body` is JSON; else it is the text itself. */
  readonly json: boolean;
  /** Empty if the text lies in `content`. */
  readonly body: string;
  readonly topic: string | null;
  /** The text of a message that was published, which several boxes share. */
  readonly content: number | null;
}

/** How a message stands. */
export interface Standing {
  readonly state: StateNumber;
  readonly attempts: number;
  /** DELAYED: until when. CLAIMED: when the lease ends. */
  readonly due: number | null;
  /** CLAIMED: the number of the delivery. */
  readonly token: number | null;
  /** CLAIMED: who has it. */
  readonly holder: string | null;
  /** DEAD: why. */
  readonly reason: string | null;
}

export interface MessageRow extends NewMessage, Standing {}

/** Who serves a store. */
export interface Owner {
  readonly epoch: number;
  readonly pid: number;
  /** The path of the socket of the name under which it serves. */
  readonly socket: string;
}

export interface Tables {
  readonly kind: "memory" | "node:sqlite" | "better-sqlite3";
  readonly path: string | undefined;

  /** Begins a turn. Each call of it that reads or writes may throw a FencedError: another broker has taken the store over. */
  begin(): void;
  /** Throws a FencedError if another broker has taken the store over. A turn that answers from memory asks this first. */
  confirm(): void;
  commit(): void;
  /** Ends the turn as if nothing had been done. */
  rollback(): void;
  close(): void;
  /** Looks whether the file is still the one that is open. Makes it anew from what is open if it was deleted. */
  tend(): void;

  boxes(): BoxRow[];
  addBox(name: string): BoxRow;
  saveBox(box: BoxRow): void;
  dropBox(box: number): void;

  /** Stores a message that can be taken, or is kept back until `due`. `attempts`: how often it may have been delivered before. */
  insert(message: NewMessage, due: number | null, attempts?: number): void;
  /**
   * Returns up to `most` queued messages, in the order in which they are taken; with `rank`, of this one only. The box says how many it has:
   * if all of them are of this turn, they need not be read.
   */
  queued(box: Pick<BoxRow, "id" | "queued">, most: number, rank?: number): MessageRow[];
  message(position: number): MessageRow | undefined;
  stand(position: number, standing: Standing): void;
  /** Gives a message that waits another text; it keeps its place. */
  replace(position: number, message: NewMessage): void;
  remove(position: number, content: number | null): void;
  /** The oldest queued or delayed message of the highest rank number that is at least `rank`: the first to make room. */
  victim(box: number, rank: number): MessageRow | undefined;
  /** All messages of a box that wait, queued or delayed. */
  waiting(box: number, most: number): MessageRow[];
  notice(box: number, key: string): MessageRow | undefined;
  claims(): MessageRow[];
  /** Messages whose delay is over, and those that have outlived their time. */
  due(now: number, most: number): MessageRow[];
  expired(now: number, most: number): MessageRow[];
  /** The time of the next message of either kind. */
  next(): number | undefined;
  /** Messages after a position, in the order of positions; without `box` those of all boxes, without `state` in any. */
  list(box: number | undefined, state: StateNumber | undefined, after: number, most: number): MessageRow[];

  addContent(body: string, references: number): number;

  /** What a post with this id of a sender's was given. */
  sent(box: number, id: string): { readonly position: number; readonly until: number } | undefined;
  addSent(box: number, id: string, position: number, until: number): void;

  subscriptions(): { readonly box: number; readonly pattern: string }[];
  subscribe(box: number, pattern: string): void;
  unsubscribe(box: number, pattern: string): void;

  outcomes(client: string): string | undefined;
  saveOutcomes(client: string, outcomes: string, at: number): void;
  /** Forgets ids of senders after their window, and outcomes older than `before`. */
  forget(now: number, before: number): void;

  /** A number that the store keeps by a name; 0 at first. */
  number(name: string): number;
  setNumber(name: string, value: number): void;
}

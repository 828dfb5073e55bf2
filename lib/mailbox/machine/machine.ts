import { InvalidArgumentError } from "../../errors.js";
import { BoxFullError, LeaseLostError } from "../errors.js";
import { LONGEST_REASON, MOST_TAKEN_BYTES } from "../limits.js";
import { RANK } from "../message.js";
import type { Time } from "../steady.js";
import { type MessageRow, type NewMessage, State, type Tables } from "../store/tables.js";
import type { Box, Boxes } from "./boxes.js";
import { type Lease, Leases } from "./leases.js";
import type { Positions } from "./positions.js";

/** What a post says, checked. */
export interface Post {
  readonly sender: string;
  readonly pid: number | undefined;
  readonly uid: number;
  readonly id: string | undefined;
  readonly rank: number;
  readonly key: string | undefined;
  readonly ttl: number | undefined;
  readonly delay: number;
  readonly json: boolean;
  readonly body: string;
  readonly bytes: number;
  /** Whether it may have been delivered before. */
  readonly again: boolean;
}

export interface Posted {
  readonly id: string;
  readonly position: number;
  readonly duplicate: boolean;
}

/** A message on its way to somebody who took it. */
export interface Taken {
  readonly row: MessageRow;
  readonly token: number;
  readonly attempt: number;
  /** Whether it was posted in this turn. */
  readonly isNew: boolean;
}

/** What the machine tells of, besides its answers. */
export interface MachineEvents {
  /** A post met the bound of a box. */
  full(box: Box): void;
  /** The box has something to take that it did not have before. */
  filled(box: Box): void;
}

/** How many messages are moved at once when their time has come, so that a turn stays short. */
const BATCH = 1000;

/**
 * What may happen to a message. All of it stands between `begin` and `commit` of the tables; the broker commits once a turn. One file has all
 * transitions and the counts that they move, because they must agree.
 *
 *     post ──> queued ──claim──> claimed ──ack──> (gone)
 *       │        ^ ^               │  │
 *       └─> delayed └──nack, lease─┘  └─reject, too many attempts─> dead ──requeue──> queued
 *                        ended                queued, delayed ──ttl──^
 */
export class Machine {
  readonly #tables: Tables;
  readonly #boxes: Boxes;
  readonly #positions: Positions;
  readonly #time: Time;
  readonly #events: MachineEvents;
  readonly #leases = new Leases();
  #soonest = Number.POSITIVE_INFINITY;
  /** Which positions are of this turn. */
  #free: readonly [last: number, reserved: number] = [0, 0];
  /** Delivery numbers begin anew with each epoch, above all of the one before. */
  #lastToken: number;

  constructor(
    tables: Tables,
    boxes: Boxes,
    positions: Positions,
    time: Time,
    epoch: number,
    events: MachineEvents,
  ) {
    this.#tables = tables;
    this.#boxes = boxes;
    this.#positions = positions;
    this.#time = time;
    this.#events = events;
    this.#lastToken = epoch * 2 ** 32;
    this.reload();
  }

  /** Reads the claims of the tables: those of the broker before, or those that stand after a turn that failed. */
  reload(): void {
    this.#leases.clear();
    for (const row of this.#tables.claims()) {
      const { position, box, token, holder, due, attempts, bytes, content } = row;
      this.#leases.add({
        ...{ position, box, token: token!, holder: holder!, until: due!, attempts, bytes, content },
      });
    }
    this.#soonest = this.#next();
  }

  /** Begins a turn. */
  begin(): void {
    this.#free = this.#positions.free;
  }

  /** When `tick` has to be called at the latest; Infinity if nothing waits for a time. It may be too early, never too late. */
  get soonest(): number {
    return this.#soonest;
  }

  get leases(): Leases {
    return this.#leases;
  }

  /** Stores a message. Throws a BoxFullError. */
  post(box: Box, post: Post): Posted {
    const now = this.#time();
    const { id } = post;
    if (id !== undefined) {
      const sent = this.#tables.sent(box.id, id);
      if (sent !== undefined && sent.until > now) return { id, position: sent.position, duplicate: true };
    }
    const coalesced = this.#coalesce(box, post, now);
    if (coalesced !== undefined) return coalesced;
    this.#makeRoom(box, post.bytes, post.rank);
    const position = this.#positions.next();
    const message = this.#message(box, position, post, now);
    this.#insert(box, message, post.delay > 0 ? now + post.delay : null, post.again);
    this.#remember(box, id, position, now);
    return { id: id ?? String(position), position, duplicate: false };
  }

  /** Stores one text for all the boxes. Returns those that had no room. */
  publish(topic: string, boxes: readonly Box[], post: Post): Box[] {
    const now = this.#time();
    const full: Box[] = [];
    const taking = boxes.filter((box) => {
      try {
        this.#makeRoom(box, post.bytes, post.rank);
        return true;
      } catch (error) {
        if (!(error instanceof BoxFullError)) throw error;
        full.push(box);
        return false;
      }
    });
    if (taking.length === 0) return full;
    const content = this.#tables.addContent(post.body, taking.length);
    for (const box of taking) {
      const message = this.#message(box, this.#positions.next(), post, now);
      const due = post.delay > 0 ? now + post.delay : null;
      this.#insert(box, { ...message, body: "", topic, content }, due, post.again);
    }
    return full;
  }

  /** Takes up to `most` messages, in order, for `holder`. With `rank`, of this one only. */
  take(box: Box, most: number, holder: string, lease: number | undefined, rank?: number): Taken[] {
    if (!box.seen) {
      box.seen = true;
      this.#boxes.changed(box);
    }
    if (box.queued === 0) return [];
    const now = this.#time();
    const due = now + (lease ?? this.#boxes.settings(box).lease);
    const taken: Taken[] = [];
    let bytes = 0;
    for (const row of this.#tables.queued(box, most, rank)) {
      if (row.expires !== null && row.expires <= now) {
        this.#bury(box, row, "its time to live was over");
        continue;
      }
      bytes += row.bytes;
      if (taken.length > 0 && bytes > MOST_TAKEN_BYTES) break;
      const attempts = row.attempts + 1;
      const token = ++this.#lastToken;
      this.#tables.stand(row.position, { state: State.CLAIMED, attempts, due, token, holder, reason: null });
      const { position, content } = row;
      const held = { position, box: box.id, token, holder, until: due, attempts, bytes: row.bytes, content };
      this.#leases.add(held);
      this.#awaits(due);
      const isNew = position > this.#free[0] && position <= this.#free[1];
      taken.push({ row, token, attempt: attempts, isNew });
    }
    box.queued -= taken.length;
    box.claimed += taken.length;
    this.#boxes.changed(box);
    // Those that had outlived their time left room in the batch.
    return taken.length === 0 && box.queued > 0 && rank === undefined
      ? this.take(box, most, holder, lease, rank)
      : taken;
  }

  ack(position: number, token: number, holder: string): void {
    const lease = this.#held(position, token, holder);
    this.#leases.delete(lease);
    this.#tables.remove(position, lease.content);
    const box = this.#boxes.withId(lease.box)!;
    box.claimed--;
    box.bytes -= lease.bytes;
    this.#boxes.changed(box);
  }

  /** Gives a message back, to be delivered again after `delay` ms, or makes it a dead letter after too many attempts. */
  nack(position: number, token: number, holder: string, delay: number, reason: string): void {
    this.#giveBack(this.#held(position, token, holder), delay, reason);
  }

  /** Makes a message a dead letter. */
  reject(position: number, token: number, holder: string, reason: string): void {
    const lease = this.#held(position, token, holder);
    this.#leases.delete(lease);
    this.#bury(this.#boxes.withId(lease.box)!, this.#tables.message(position)!, reason);
  }

  /** Begins the lease anew. Returns when it ends. */
  extend(position: number, token: number, holder: string, ms: number | undefined): number {
    const lease = this.#held(position, token, holder);
    const box = this.#boxes.withId(lease.box)!;
    lease.until = this.#time() + (ms ?? this.#boxes.settings(box).lease);
    this.#awaits(lease.until);
    const { attempts, until: due } = lease;
    this.#tables.stand(position, { state: State.CLAIMED, attempts, due, token, holder, reason: null });
    return lease.until;
  }

  /** Gives back what a process held that has died. */
  abandon(holder: string): void {
    for (const lease of this.#leases.heldBy(holder)) this.#giveBack(lease, 0, "its process ended");
  }

  /** Gives back a message that was taken and never reached its taker: that was no attempt. */
  undeliver(lease: Lease): void {
    const box = this.#boxes.withId(lease.box)!;
    this.#leases.delete(lease);
    this.#requeue(box, lease, lease.attempts - 1, 0);
  }

  /** Moves on what waits for a time: ended leases, delays that are over, messages that have outlived theirs; of each some at a time. */
  tick(): void {
    const now = this.#time();
    const ended = this.#leases.ended(now);
    for (const lease of ended.slice(0, BATCH)) this.#giveBack(lease, 0, "its lease ended");
    const expired = this.#tables.expired(now, BATCH);
    for (const row of expired) this.#bury(this.#boxes.withId(row.box)!, row, "its time to live was over");
    const due = this.#tables.due(now, BATCH);
    for (const row of due) {
      const box = this.#boxes.withId(row.box)!;
      this.#tables.stand(row.position, standing(row, State.QUEUED));
      box.delayed--;
      box.queued++;
      this.#boxes.changed(box);
      this.#events.filled(box);
    }
    this.#soonest = this.#next();
  }

  /** Puts dead letters back into the queue, as if they had never been tried. Returns how many: at most those after `after`, in order. */
  requeue(box: Box, positions: readonly number[] | undefined, most: number): number {
    const rows =
      positions === undefined
        ? this.#tables.list(box.id, State.DEAD, 0, most)
        : positions.map((position) => this.#tables.message(position));
    let count = 0;
    for (const row of rows) {
      if (row === undefined || row.box !== box.id || row.state !== State.DEAD) continue;
      // A dead letter that had outlived its time would do so again at once.
      this.#tables.replace(row.position, {
        ...row,
        expires: null,
        body: row.content === null ? row.body : "",
      });
      this.#tables.stand(row.position, { ...standing(row, State.QUEUED), attempts: 0 });
      box.dead--;
      box.queued++;
      box.bytes += row.bytes;
      count++;
    }
    this.#boxes.changed(box);
    if (count > 0) this.#events.filled(box);
    return count;
  }

  /** Deletes messages: those that wait, or dead letters. Returns how many, at most `most`. */
  purge(box: Box, dead: boolean, most: number): number {
    const rows = dead ? this.#tables.list(box.id, State.DEAD, 0, most) : this.#tables.waiting(box.id, most);
    for (const row of rows) this.#drop(box, row);
    return rows.length;
  }

  #awaits(time: number): void {
    if (time < this.#soonest) this.#soonest = time;
  }

  #next(): number {
    const lease = this.#leases.next() ?? Number.POSITIVE_INFINITY;
    return Math.min(lease, this.#tables.next() ?? Number.POSITIVE_INFINITY);
  }

  #message(box: Box, position: number, post: Post, now: number): NewMessage {
    const ttl = post.ttl ?? this.#boxes.settings(box).ttl;
    return {
      position,
      box: box.id,
      rank: post.rank,
      id: post.id ?? null,
      key: post.key ?? null,
      sender: post.sender,
      pid: post.pid ?? null,
      uid: post.uid,
      posted: now,
      expires: ttl > 0 ? now + post.delay + ttl : null,
      bytes: post.bytes,
      json: post.json,
      body: post.body,
      topic: null,
      content: null,
    };
  }

  #insert(box: Box, message: NewMessage, due: number | null, again: boolean): void {
    this.#tables.insert(message, due, again ? 1 : 0);
    if (due !== null) this.#awaits(due);
    if (message.expires !== null) this.#awaits(message.expires);
    if (due === null) box.queued++;
    else box.delayed++;
    box.bytes += message.bytes;
    this.#boxes.changed(box);
    if (due === null) this.#events.filled(box);
  }

  #remember(box: Box, id: string | undefined, position: number, now: number): void {
    const { duplicateWindow } = this.#boxes.settings(box);
    if (id !== undefined && duplicateWindow > 0) {
      this.#tables.addSent(box.id, id, position, now + duplicateWindow);
    }
  }

  /** Replaces a notice that waits with the same key. */
  #coalesce(box: Box, post: Post, now: number): Posted | undefined {
    if (post.rank !== RANK.notice || post.key === undefined || box.queued === 0) return undefined;
    const former = this.#tables.notice(box.id, post.key);
    if (former === undefined || former.content !== null) return undefined;
    const { position } = former;
    if (box.bytes - former.bytes + post.bytes > this.#boxes.settings(box).maxBytes) return undefined;
    const message = this.#message(box, position, post, now);
    this.#tables.replace(position, message);
    if (message.expires !== null) this.#awaits(message.expires);
    box.bytes += post.bytes - former.bytes;
    this.#boxes.changed(box);
    this.#remember(box, post.id, position, now);
    return { id: post.id ?? String(position), position, duplicate: false };
  }

  /** Sees to it that the box takes so many bytes more, by its policy. Throws a BoxFullError. */
  #makeRoom(box: Box, bytes: number, rank: number): void {
    const settings = this.#boxes.settings(box);
    const { policy, maxMessages, maxBytes } = settings;
    if (policy === "latest") this.#dropAll(box, rank);
    const isFull = () =>
      box.queued + box.delayed + box.claimed >= maxMessages || box.bytes + bytes > maxBytes;
    if (!isFull()) return;
    this.#events.full(box);
    while (policy !== "reject" && bytes <= maxBytes && isFull()) {
      const victim = this.#tables.victim(box.id, rank);
      if (victim === undefined) break;
      this.#drop(box, victim);
      box.dropped++;
    }
    if (!isFull()) return;
    box.refused++;
    this.#boxes.changed(box);
    const held = `${box.queued + box.delayed + box.claimed} of ${maxMessages} messages and ${box.bytes} of ${maxBytes} bytes`;
    throw new BoxFullError(`the box "${box.name}" is full: it holds ${held}`, box.name);
  }

  #dropAll(box: Box, rank: number): void {
    while (box.queued + box.delayed > 0) {
      const victim = this.#tables.victim(box.id, rank);
      if (victim === undefined) return;
      this.#drop(box, victim);
      box.dropped++;
    }
  }

  #drop(box: Box, row: MessageRow): void {
    this.#tables.remove(row.position, row.content);
    if (row.state === State.QUEUED) box.queued--;
    if (row.state === State.DELAYED) box.delayed--;
    if (row.state === State.DEAD) box.dead--;
    else box.bytes -= row.bytes;
    this.#boxes.changed(box);
  }

  #held(position: number, token: number, holder: string): Lease {
    const lease = this.#leases.get(position);
    if (lease !== undefined && lease.token === token && lease.holder === holder) return lease;
    throw new LeaseLostError(
      `message ${position} is not this delivery's any more: its lease ended, or it was settled already`,
      "",
      position,
    );
  }

  #giveBack(lease: Lease, delay: number, reason: string): void {
    const box = this.#boxes.withId(lease.box)!;
    this.#leases.delete(lease);
    const { maxAttempts } = this.#boxes.settings(box);
    if (lease.attempts < maxAttempts) this.#requeue(box, lease, lease.attempts, delay);
    else {
      const row = this.#tables.message(lease.position)!;
      this.#bury(box, row, `delivered ${lease.attempts} times; at last ${reason}`);
    }
  }

  #requeue(box: Box, { position }: Lease, attempts: number, delay: number): void {
    const [state, due] = delay > 0 ? [State.DELAYED, this.#time() + delay] : [State.QUEUED, null];
    this.#tables.stand(position, { state, attempts, due, token: null, holder: null, reason: null });
    if (due !== null) this.#awaits(due);
    box.claimed--;
    if (delay > 0) box.delayed++;
    else box.queued++;
    this.#boxes.changed(box);
    if (delay === 0) this.#events.filled(box);
  }

  /** Makes a message a dead letter, whatever its state. The oldest dead letters go beyond the box's number of them. */
  #bury(box: Box, row: MessageRow, reason: string): void {
    if (row.state === State.QUEUED) box.queued--;
    if (row.state === State.DELAYED) box.delayed--;
    if (row.state === State.CLAIMED) box.claimed--;
    box.bytes -= row.bytes;
    box.dead++;
    this.#tables.stand(row.position, {
      ...standing(row, State.DEAD),
      reason: reason.slice(0, LONGEST_REASON),
    });
    const { maxDead } = this.#boxes.settings(box);
    if (box.dead > maxDead) {
      for (const old of this.#tables.list(box.id, State.DEAD, 0, box.dead - maxDead)) this.#drop(box, old);
    }
    this.#boxes.changed(box);
  }
}

function standing(row: MessageRow, state: MessageRow["state"]) {
  return { state, attempts: row.attempts, due: null, token: null, holder: null, reason: null };
}

/** Checks that a message of so many bytes may be stored. */
export function checkBytes(bytes: number, most: number): void {
  if (bytes > most) throw new InvalidArgumentError("body", `a text of at most ${most} bytes`, bytes);
}

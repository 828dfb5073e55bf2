import type { Announcement } from "../../bulk/holdings.js";
import type { NativeConnection } from "../../native/binding.js";
import { PLAIN } from "../records/record-layout.js";
import { FULL, SENT, type SendStatus } from "../records/send-status.js";
import { MOST_RECORDS, type RingLane } from "./ring-lane.js";

/*
 * What the two sides tell each other about blocks, over a lane of their own, the bulk lane. Nobody waits for that lane in the ordinary
 * course of things: the owner of memory looks for what was returned when it needs memory, and the other side looks for new segments when it
 * meets one that it does not know. So handing blocks around costs no wake-up but that of the message itself.
 */

/** Records on the bulk lane, by their first word. All words are 32 bits. */
const ANNOUNCE = 1;
const RETURN = 2;
const RETIRE = 3;
/** The flags of an announcement. */
const IMMUTABLE = 1;
const SHARED = 2;

/** How long (ms) after it gave something back a side rings once, so that memory that the owner does not need can go. */
const REMIND_AFTER = 2500;
/** A side that only ever releases looks at the bulk lane once in so many times. */
const LOOK_AFTER = 256;

/** What the lane hears from the peer. Methods that return a text say what is wrong with it, if something is. */
export interface BulkLaneEvents {
  /** The peer has made a segment. */
  announced(announcement: Announcement): string | undefined;
  /** The peer has let go of a slot; false if it did not have it. */
  returned(id: number, slot: number): boolean;
  /** The peer takes a segment away; false if something of it is held here, or it is not known. */
  retired(id: number): boolean;
  /** Something was returned, or there is room in the lane again. */
  news(): void;
  /** What came is malformed; the connection ends. */
  broken(how: string): void;
}

/** The bulk lane of one side of a connection: sends and understands its three records. */
export class BulkLane {
  readonly #lane: RingLane;
  readonly #native: NativeConnection;
  readonly #events: BulkLaneEvents;
  /** Records that wait for room, the oldest first. */
  readonly #waiting: (readonly number[])[] = [];
  /** Whether the peer was asked for room since one of them went out. */
  #asked = false;
  #returns = 0;
  #reminder: NodeJS.Timeout | undefined;
  #broken = false;
  #ended = false;

  constructor(lane: RingLane, native: NativeConnection, events: BulkLaneEvents) {
    this.#lane = lane;
    this.#native = native;
    this.#events = events;
    lane.wantAtTheBell();
  }

  /** Whether records wait for room. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Whether an announcement waits: the peer does not know the segment yet. */
  get isAnnouncing(): boolean {
    return this.#waiting.some(([type]) => type === ANNOUNCE);
  }

  /** Tells the peer of a segment. Its descriptor has been passed already: descriptors come in the order of the announcements. */
  announce({ id, slots, slotBytes, sealed, shared }: Announcement): void {
    const flags = (sealed ? IMMUTABLE : 0) | (shared ? SHARED : 0);
    this.#post([ANNOUNCE, id, slots, flags, slotBytes % 2 ** 32, Math.floor(slotBytes / 2 ** 32)]);
  }

  /** A slot of the peer's is not held any more. */
  giveBack(id: number, slot: number, shared: boolean): void {
    if (this.#ended) return;
    this.#post([RETURN, id, slot]);
    // Its memory may belong to another connection of the peer, on which nobody knows that this one has news.
    if (shared) this.#native.ring();
    if (++this.#returns % LOOK_AFTER === 0) this.look();
    this.#reminder ??= setTimeout(() => {
      this.#reminder = undefined;
      this.#native.ring();
    }, REMIND_AFTER).unref();
  }

  /** A segment that the peer knows is about to be unmapped here. */
  retire(id: number): void {
    if (this.#ended) return;
    this.#post([RETIRE, id]);
    // The peer may be asleep for long, and the memory is not free before it lets go.
    this.#native.ring();
  }

  /** Takes what has come. */
  look(): void {
    if (this.#ended) return;
    while (this.#lane.drain(MOST_RECORDS) > 0) this.#take();
  }

  /** Blocks the thread until something comes, at most `timeout` ms. */
  wait(timeout: number): void {
    if (this.#lane.drainBlocked(MOST_RECORDS, timeout) > 0) this.#take();
  }

  /** Has the event loop watch the lane until something comes, or look at it at a bell only. */
  watch(on: boolean): void {
    if (this.#ended) return;
    if (on) this.#lane.wantRecords(true);
    else this.#lane.wantAtTheBell();
  }

  /** The transport: records stand at the cursor. */
  onRecords(): void {
    this.#take();
    this.look();
  }

  /** The transport: there is room. */
  onRoom(): void {
    this.#asked = false;
    this.sendWaiting();
    this.#events.news();
  }

  /** Sends what waits for room, as far as there is some. */
  sendWaiting(): void {
    if (this.#waiting.length === 0) return;
    let sent = 0;
    let status: SendStatus = SENT;
    while (sent < this.#waiting.length && status !== FULL) {
      status = this.#send(this.#waiting[sent]!);
      if (status !== FULL) sent++;
    }
    if (sent > 0) this.#asked = false;
    this.#waiting.splice(0, sent);
    if (this.#waiting.length > 0) this.#askForRoom();
  }

  /** Nothing goes or comes any more. */
  end(): void {
    this.#ended = true;
    clearTimeout(this.#reminder);
    this.#waiting.length = 0;
  }

  /** Sends a record, now or when there is room for it, in order. */
  #post(words: readonly number[]): void {
    if (this.#waiting.length > 0) {
      this.#waiting.push(words);
      return;
    }
    if (this.#send(words) !== FULL) return;
    this.#waiting.push(words);
    this.#askForRoom();
  }

  /** Asks for room by a bell: without one, a sleeping peer does not look at the bulk lane. */
  #askForRoom(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#lane.wantRoom();
    this.#native.ring();
  }

  #send(words: readonly number[]): SendStatus {
    const { scratch, at } = this.#lane.place;
    let index = at >> 2;
    for (const word of words) scratch.words[index++] = word;
    return this.#lane.send(words.length * 4);
  }

  #take(): void {
    const { records } = this.#lane;
    let returned = false;
    while (!this.#broken && records.next()) {
      const first = records.at >> 2;
      const word = (index: number) => records.scratch.words[first + index]! >>> 0;
      const type = records.kind === PLAIN && records.bytes >= 8 ? word(0) : 0;
      const wrong = this.#understand(type, records.bytes, word);
      if (wrong !== undefined) {
        this.#broken = true;
        this.#events.broken(wrong);
      } else if (type === RETURN) returned = true;
    }
    if (returned) this.#events.news();
  }

  /** Says what is wrong with a record, if something is. */
  #understand(type: number, bytes: number, word: (index: number) => number): string | undefined {
    const id = type === 0 ? 0 : word(1);
    if (type === RETURN && bytes === 12) {
      const slot = word(2);
      return this.#events.returned(id, slot)
        ? undefined
        : `slot ${slot} of segment ${id} was returned, and was not lent`;
    }
    if (type === RETIRE && bytes === 8) {
      return this.#events.retired(id)
        ? undefined
        : `segment ${id} was taken away, and is in use or was never announced`;
    }
    if (type !== ANNOUNCE || bytes !== 24)
      return `a record of the bulk lane has the type ${type} and ${bytes} bytes`;
    const flags = word(3);
    if (flags > (SHARED | IMMUTABLE)) return `segment ${id} was announced with the flags ${flags}`;
    return this.#events.announced({
      id,
      slots: word(2),
      slotBytes: word(4) + word(5) * 2 ** 32,
      sealed: (flags & IMMUTABLE) !== 0,
      shared: (flags & SHARED) !== 0,
    });
  }
}

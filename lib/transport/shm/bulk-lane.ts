import type { Announcement } from "../../bulk/holdings.js";
import { clearTimeout, now, setTimeout, type Timer } from "../../clock.js";
import type { NativeConnection } from "../../native/binding.js";
import type { RecordCursor } from "../records/cursor.js";
import { PLAIN } from "../records/record-layout.js";
import { FULL, SENT, type SendStatus } from "../records/send-status.js";
import { MOST_RECORDS, type RingLane } from "./ring-lane.js";

/*
 * The bulk lane: a lane of its own on which the two sides exchange news of blocks. In the ordinary course
 * neither side waits for that lane. The owner of memory looks for returned slots when it needs memory. The
 * other side looks for new segments when it meets one that it does not know. So handing blocks around costs
 * no wake-up but that of the message itself.
 */

/** The types of the records on the bulk lane, in their first word. All words have 32 bits. */
const ANNOUNCE = 1;
const RETURN = 2;
const RETIRE = 3;
/** The flags of an announcement. */
const IMMUTABLE = 1;
const SHARED = 2;

/** A side that has returned slots rings once after this time (ms), so that the owner can give unneeded memory back. */
const REMIND_AFTER = 2500;
/** A side that only releases blocks looks at the bulk lane once in this many returns. */
const LOOK_AFTER = 256;

/** The calls of the lane for records of the peer. A method that returns a text says what is wrong with the record. */
export interface BulkLaneEvents {
  /** Called when the peer has made a segment. */
  announced(announcement: Announcement): string | undefined;
  /** Called when the peer has returned a slot. Returns false if the peer did not have it. */
  returned(id: number, slot: number): boolean;
  /** Called when the peer takes a segment away. Returns false if one of its slots is held here, or the segment is not known. */
  retired(id: number): boolean;
  /** Called when a slot was returned, or the lane has room again. */
  news(): void;
  /** Called for a malformed record; the connection ends. */
  broken(how: string): void;
}

/** The bulk lane of one side of a connection. Sends its three kinds of records, and reads those of the peer. */
export class BulkLane {
  readonly #lane: RingLane;
  readonly #native: NativeConnection;
  readonly #events: BulkLaneEvents;
  /** Records that wait for room, the oldest first. */
  readonly #waiting: (readonly number[])[] = [];
  /** Whether the peer was asked for room since one of them went out. */
  #asked = false;
  #returns = 0;
  #reminder: Timer | undefined;
  /** When the reminder is due, for a thread whose timers do not run. */
  #reminderDue = 0;
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

  /**
   * Tells the peer of a segment. The segment's descriptor has been passed already, because descriptors come
   * in the order of the announcements.
   */
  announce({ id, slots, slotBytes, sealed, shared }: Announcement): void {
    const flags = (sealed ? IMMUTABLE : 0) | (shared ? SHARED : 0);
    this.#post([ANNOUNCE, id, slots, flags, slotBytes % 2 ** 32, Math.floor(slotBytes / 2 ** 32)]);
  }

  /** Returns a slot to the peer. */
  giveBack(id: number, slot: number, shared: boolean): void {
    if (this.#ended) return;
    this.#post([RETURN, id, slot]);
    // Shared memory may belong to another connection of the peer, where nothing shows that this one has news.
    if (shared) this.#native.ring();
    if (++this.#returns % LOOK_AFTER === 0) this.look();
    if (this.#reminder !== undefined) return;
    this.#reminder = setTimeout(() => this.#remind(), REMIND_AFTER).unref();
    this.#reminderDue = now() + REMIND_AFTER;
  }

  /** Does what timers would do, for a thread that does not come to its event loop. */
  attend(): void {
    this.sendWaiting();
    this.look();
    if (this.#reminder === undefined || now() < this.#reminderDue) return;
    clearTimeout(this.#reminder);
    this.#remind();
  }

  /** Tells the peer that a segment which it knows is about to be unmapped here. */
  retire(id: number): void {
    if (this.#ended) return;
    this.#post([RETIRE, id]);
    // The peer may sleep for long, and the memory is not free before the peer lets go.
    this.#native.ring();
  }

  /** Takes the records that have arrived. */
  look(): void {
    if (this.#ended) return;
    while (this.#lane.drainAlone(MOST_RECORDS) > 0) this.#take();
  }

  /** Blocks the thread until a record arrives, for at most `timeout` ms: one slice. Returns whether one came. */
  wait(timeout: number): boolean {
    if (this.#lane.drainBlocked(MOST_RECORDS, timeout) === 0) return false;
    this.#take();
    return true;
  }

  /** Makes the event loop watch the lane until a record arrives, or else look at it at a bell only. */
  watch(on: boolean): void {
    if (this.#ended) return;
    if (on) this.#lane.wantRecords(true);
    else this.#lane.wantAtTheBell();
  }

  /** Called by the transport when records stand at the cursor. */
  onRecords(): void {
    this.#take();
    this.look();
  }

  /** Called by the transport when there is room. */
  onRoom(): void {
    this.#asked = false;
    this.sendWaiting();
    this.#events.news();
  }

  /** Sends the waiting records, as many as there is room for. */
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

  /** Ends the lane: no record goes or comes any more. */
  end(): void {
    this.#ended = true;
    clearTimeout(this.#reminder);
    this.#waiting.length = 0;
  }

  #remind(): void {
    this.#reminder = undefined;
    this.#native.ring();
  }

  /** Sends a record now, or later when there is room for it, in order. */
  #post(words: readonly number[]): void {
    if (this.#waiting.length > 0) {
      this.#waiting.push(words);
      return;
    }
    if (this.#send(words) !== FULL) return;
    this.#waiting.push(words);
    this.#askForRoom();
  }

  /** Asks for room, and rings: without a bell, a sleeping peer does not look at the bulk lane. */
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
      const type = records.kind === PLAIN && records.bytes >= 8 ? wordAt(records, 0) : 0;
      const wrong = this.#understand(type, records);
      if (wrong !== undefined) {
        this.#broken = true;
        this.#events.broken(wrong);
      } else if (type === RETURN) returned = true;
    }
    if (returned) this.#events.news();
  }

  /** Handles a record. Returns what is wrong with it, or undefined. */
  #understand(type: number, records: RecordCursor): string | undefined {
    const { bytes } = records;
    const id = type === 0 ? 0 : wordAt(records, 1);
    if (type === RETURN && bytes === 12) {
      const slot = wordAt(records, 2);
      return this.#events.returned(id, slot)
        ? undefined
        : `slot ${slot} of segment ${id} was returned; this side had not lent it`;
    }
    if (type === RETIRE && bytes === 8) {
      return this.#events.retired(id)
        ? undefined
        : `segment ${id} was taken away; it is in use, or was never announced`;
    }
    if (type !== ANNOUNCE || bytes !== 24)
      return `a record of the bulk lane has the type ${type} and ${bytes} bytes`;
    const flags = wordAt(records, 3);
    if (flags > (SHARED | IMMUTABLE)) return `segment ${id} was announced with the flags ${flags}`;
    return this.#events.announced({
      id,
      slots: wordAt(records, 2),
      slotBytes: wordAt(records, 4) + wordAt(records, 5) * 2 ** 32,
      sealed: (flags & IMMUTABLE) !== 0,
      shared: (flags & SHARED) !== 0,
    });
  }
}

function wordAt({ scratch, at }: RecordCursor, index: number): number {
  return scratch.words[(at >> 2) + index]! >>> 0;
}

import { readSync } from "node:fs";
import { CorruptError, TransportError } from "../errors.js";
import type { Layout } from "../native/layout.js";
import { longestPayload } from "../transport/records/record-layout.js";

/** The bytes that are read at once, unless a record is longer. */
const CHUNK = 64 * 1024;
/** The attempts to read an anchor while its producer writes it. */
const TRIES = 100;
/** The laps in which the end of a ring is looked for. A producer that is faster than this reader is never caught up with. */
const MOST_LAPS = 4;

/** A message as it stood in a ring. */
export interface RawRecord {
  /** How many messages went before it in this ring. */
  readonly number: number;
  readonly kind: number;
  /** The content of the record: a copy. */
  readonly content: Buffer;
}

/** Where a ring lies in the file of a region. */
export interface RingPlace {
  readonly descriptor: number;
  /** The offset of the ring's control. */
  readonly control: number;
  /** The offset of the ring's data. */
  readonly data: number;
  readonly capacity: number;
}

/** What was found in a ring. */
export interface Found {
  readonly records: readonly RawRecord[];
  /** Messages that the producer has overwritten before they could be read. They went before `records`. */
  readonly missed: number;
}

interface Anchor {
  readonly limit: number;
  readonly position: number;
  readonly messages: number;
}

/**
 * Reads a ring of two other processes without either of them noticing: it writes nothing, so nobody waits for it, and a producer that is
 * faster overwrites what it has not read. It copies first and then looks at the producer's limit. Nothing is written at the limit or
 * behind it; so what lies less than a lap before the limit was whole when it was copied (docs/layout.md, "Watching").
 *
 * Reading is by `pread`, which needs no mapping and always gives a copy. Everything read is checked before it is believed.
 */
export class RingReader {
  readonly #place: RingPlace;
  readonly #layout: Layout;
  #buffer = Buffer.allocUnsafe(CHUNK);
  readonly #words = Buffer.alloc(32);
  readonly #header = Buffer.alloc(8);
  #position = 0;
  #number = 0;
  /** Messages that were missed behind those that were given last. */
  #gap = 0;

  constructor(place: RingPlace, layout: Layout) {
    this.#place = place;
    this.#layout = layout;
  }

  /**
   * Goes to the end of the ring, so that `read` finds what comes from now on; with `history`, to the oldest message that can surely be
   * found. Throws a TransportError if the producer does not say where it is.
   */
  start(history: boolean): void {
    const anchor = this.#anchor();
    if (anchor === undefined || (anchor.limit === 0 && this.#isUsed())) {
      throw new TransportError(
        "the process that writes does not say how far it is: it is of another version, or uses another library",
      );
    }
    this.#position = anchor.position;
    this.#number = anchor.messages;
    for (let laps = 0; !history && laps < MOST_LAPS && this.read().records.length > 0; laps++);
    this.#gap = 0;
  }

  /** Returns what has come since the last call, some of it if that is much. Throws a CorruptError for what is no ring. */
  read(): Found {
    const records: RawRecord[] = [];
    let missed = this.#gap;
    this.#gap = 0;
    // A lap at most: a fast producer must not keep the caller here.
    const until = this.#position + this.#place.capacity;
    while (this.#position < until) {
      const skipped = this.#readSome(records);
      if (skipped === undefined) break;
      if (skipped === 0 || records.length === 0) missed += skipped;
      else {
        this.#gap = skipped;
        break;
      }
    }
    return { records, missed };
  }

  /** Reads records up to the end of the data or of a chunk. Returns how many messages it had to skip, or undefined if there are none. */
  #readSome(into: RawRecord[]): number | undefined {
    const { capacity } = this.#place;
    const from = this.#position;
    const rest = capacity - (from % capacity);
    this.#readAt(this.#header, 8, from);
    if (!this.#isPublished(this.#header, 0)) return this.#isOvertaken(from) ? this.#resume() : undefined;
    const wanted = this.#sizeAt(this.#header, 0, rest);
    if (wanted > this.#buffer.length) this.#buffer = Buffer.allocUnsafe(wanted);
    // A first copy shows how far records are published. Of these, a second copy is whole: their headers were there before it began.
    const length = Math.min(rest, this.#buffer.length);
    this.#readAt(this.#buffer, length, from);
    const end = this.#walk(length, rest);
    const headers = this.#headersUpTo(end);
    this.#readAt(this.#buffer, end, from);
    if (this.#isOvertaken(from)) return this.#resume();
    if (end === 0 || headers.some(([at, header]) => this.#buffer.readBigUInt64LE(at) !== header)) {
      throw new CorruptError("malformed data in the shared memory: a record that is none, or that changes");
    }
    for (const [at, header] of headers) this.#take(at, header, into);
    this.#position += end;
    return 0;
  }

  /** Returns how many bytes of the first copy are whole records. */
  #walk(length: number, rest: number): number {
    let at = 0;
    while (at + 8 <= length && this.#isPublished(this.#buffer, at)) {
      const size = this.#sizeAt(this.#buffer, at, rest - at);
      if (size === 0 || at + size > length) break;
      at += size;
    }
    return at;
  }

  #headersUpTo(end: number): [number, bigint][] {
    const headers: [number, bigint][] = [];
    for (let at = 0; at < end; at += this.#sizeAt(this.#buffer, at, end - at)) {
      headers.push([at, this.#buffer.readBigUInt64LE(at)]);
    }
    return headers;
  }

  #take(at: number, header: bigint, into: RawRecord[]): void {
    const { kindShift, lengthMask, kinds } = this.#layout.record;
    const kind = Number(header >> 32n) >>> kindShift;
    if (kind === kinds.padding) return;
    const length = Number(header & BigInt(lengthMask));
    const start = at + this.#layout.record.headerBytes;
    into.push({
      number: this.#number++,
      kind,
      content: Buffer.from(this.#buffer.subarray(start, start + length)),
    });
  }

  #isPublished(bytes: Buffer, at: number): boolean {
    // As a plain number: the published bit is that of the sign.
    return bytes.readInt32LE(at) < 0;
  }

  /** Returns the bytes of the record whose header stands at `at`; 0 if that is no header. `rest`: the bytes to the end of the data. */
  #sizeAt(bytes: Buffer, at: number, rest: number): number {
    const { headerBytes, lengthMask, kinds } = this.#layout.record;
    const length = bytes.readUInt32LE(at) & lengthMask;
    const kind = bytes.readUInt32LE(at + 4);
    const size = headerBytes + 8 * Math.ceil(length / 8);
    const { capacity } = this.#place;
    if (kind === kinds.padding) return size <= rest ? size : 0;
    const known = kind === kinds.message || kind === kinds.withBlocks || kind === kinds.inBlock;
    return known && size <= rest && length <= longestPayload(capacity) ? size : 0;
  }

  #isOvertaken(position: number): boolean {
    return this.#wordAt(this.#layout.region.limit) > position + this.#place.capacity;
  }

  /** Goes on where the producer was lately. Returns how many messages that skips. */
  #resume(): number | undefined {
    const anchor = this.#anchor();
    // It writes just now: the next look finds it.
    if (anchor === undefined) return undefined;
    const missed = anchor.messages - this.#number;
    if (anchor.position <= this.#position || missed < 0) {
      throw new CorruptError("malformed data in the shared memory: the producer goes back");
    }
    this.#position = anchor.position;
    this.#number = anchor.messages;
    return missed;
  }

  /** Returns a place where a record begins. Undefined while the producer writes it: only what two looks find alike, and whole, is one. */
  #anchor(): Anchor | undefined {
    const { limit } = this.#layout.region;
    for (let i = 0; i < TRIES; i++) {
      this.#readControl(this.#words, limit);
      const before = Buffer.from(this.#words);
      this.#readControl(this.#words, limit);
      if (!before.equals(this.#words)) continue;
      const [now, position, messages, then] = [0, 8, 16, 24].map((at) => Number(before.readBigUInt64LE(at)));
      if (now !== then) continue;
      if (![now, position, messages].every(Number.isSafeInteger) || position! % 8 !== 0) {
        throw new CorruptError("malformed data in the shared memory: a position that is none");
      }
      return { limit: now!, position: position!, messages: messages! };
    }
    return undefined;
  }

  /** Whether anything was ever sent: something is there, or was taken. */
  #isUsed(): boolean {
    this.#readAt(this.#header, 8, 0);
    return this.#isPublished(this.#header, 0) || this.#wordAt(this.#layout.region.consumed) !== 0;
  }

  #wordAt(offset: number): number {
    this.#readControl(this.#header, offset);
    return Number(this.#header.readBigUInt64LE(0));
  }

  #readControl(into: Buffer, offset: number): void {
    this.#fill(into, into.length, this.#place.control + offset);
  }

  #readAt(into: Buffer, bytes: number, position: number): void {
    this.#fill(into, bytes, this.#place.data + (position % this.#place.capacity));
  }

  #fill(into: Buffer, bytes: number, offset: number): void {
    if (readSync(this.#place.descriptor, into, 0, bytes, offset) < bytes) {
      throw new CorruptError("the shared memory is shorter than the listener says");
    }
  }
}

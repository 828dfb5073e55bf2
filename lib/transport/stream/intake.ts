import { wallClock } from "../../clock.js";
import { Scratch } from "../../codec/codec.js";
import { RecordCursor } from "../records/cursor.js";
import { recordBytes } from "../records/record-layout.js";

const FIRST_BYTES = 4096;
/** The most bytes of records that are taken at once, unless one record alone is longer. */
const MOST_AT_ONCE = 64 * 1024;
/** Up to this length a loop copies faster than a call. */
const SHORT_COPY = 64;
/** A report is due when this part of the capacity was taken. */
const REPORT_PART = 8;

/**
 * The receiving half of a lane. It has two scratches that change places: the cursor reads records in one, and
 * records arrive in the other. The peer sends no more than the capacity ahead of what was reported as taken.
 */
export class Intake {
  readonly records = new RecordCursor(new Scratch(new ArrayBuffer(FIRST_BYTES)));
  /** The bytes of whole records that were not taken, with headers and padding. */
  fill = 0;
  receivedMessages = 0;
  receivedBytes = 0;
  /** Since when (ms since the epoch) nothing has been taken. */
  idleSince = wallClock();
  readonly #capacity: number;
  /** The records in the cursor's scratch that were not taken, and where the first of them stands. */
  #ready = 0;
  #at = 0;
  /** The other scratch: `#count` whole records up to `#whole`, and a part of one up to `#end`. */
  #arriving = new Scratch(new ArrayBuffer(FIRST_BYTES));
  #count = 0;
  #whole = 0;
  #end = 0;
  /** Bytes taken that were not reported. */
  #unreported = 0;
  /** The bytes to be taken before the peer's question is answered; -1 without a question. */
  #asked = -1;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The bytes that the peer may still send. */
  get left(): number {
    return this.#capacity - this.fill - this.#unreported;
  }

  /** Adds bytes of records, which are laid out as in a scratch. */
  append(bytes: Uint8Array, from: number, to: number): void {
    const end = this.#end + to - from;
    const { buffer } = this.#arriving;
    if (end > buffer.length) {
      this.#arriving.replace(new ArrayBuffer(powerOfTwo(end)));
      buffer.copy(this.#arriving.buffer, 0, 0, this.#end);
    }
    copy(bytes, from, to, this.#arriving.buffer, this.#end);
    this.#end = end;
  }

  /** The added bytes are `count` whole records. */
  arrived(count: number): void {
    this.#count += count;
    this.fill += this.#end - this.#whole;
    this.#whole = this.#end;
  }

  /** Takes up to `max` records: the cursor stands before the first. Returns how many, at least one if there is one. */
  take(max: number): number {
    if (this.#ready === 0 && this.#count > 0) this.#turn();
    const most = Math.min(max, this.#ready);
    const { words } = this.records.scratch;
    let count = 0;
    let end = this.#at;
    for (; count < most; count++) {
      const length = words[end >>> 2]!;
      const next = end + recordBytes(length);
      if (count > 0 && next - this.#at > MOST_AT_ONCE) break;
      end = next;
      this.receivedBytes += length;
    }
    this.records.begin(count, this.#at);
    if (count > 0) this.#took(count, end - this.#at);
    this.#at = end;
    return count;
  }

  /** Leaves the cursor's scratch to its reader, unless more records stand there: these are not overwritten. */
  moveRecords(): void {
    if (this.#ready === 0) this.records.scratch = new Scratch(new ArrayBuffer(FIRST_BYTES));
  }

  /** The peer asks for a report when everything that has arrived is taken. */
  asks(): void {
    this.#asked = this.fill;
  }

  /** Whether a report is due. */
  get owesReport(): boolean {
    return this.#asked === 0 || this.#unreported >= this.#capacity / REPORT_PART;
  }

  /** Returns the bytes to report, and counts them as reported. */
  report(): number {
    const bytes = this.#unreported;
    this.#unreported = 0;
    // A question that is still open is about records that were not taken.
    if (this.#asked === 0) this.#asked = -1;
    return bytes;
  }

  /** Forgets what was not taken. */
  clear(): void {
    this.#arriving = new Scratch(new ArrayBuffer(0));
    this.#ready = this.#count = this.#whole = this.#end = this.fill = 0;
  }

  #turn(): void {
    const { records } = this;
    const from = this.#whole;
    const to = this.#end;
    [records.scratch, this.#arriving] = [this.#arriving, records.scratch];
    this.#ready = this.#count;
    this.#count = this.#whole = this.#end = this.#at = 0;
    if (to > from) this.append(records.scratch.buffer, from, to);
  }

  #took(count: number, bytes: number): void {
    this.#ready -= count;
    this.fill -= bytes;
    this.receivedMessages += count;
    this.idleSince = wallClock();
    this.#unreported += bytes;
    if (this.#asked > 0) this.#asked = Math.max(0, this.#asked - bytes);
  }
}

/** Copies bytes. A short copy makes no object. */
function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start > SHORT_COPY) {
    to.set(from.subarray(start, end), at);
    return;
  }
  for (let i = start, j = at; i < end; i++, j++) to[j] = from[i]!;
}

/** Returns the least power of two that is at least `bytes`. */
export function powerOfTwo(bytes: number): number {
  return bytes <= 1 ? 1 : 2 ** (32 - Math.clz32(bytes - 1));
}

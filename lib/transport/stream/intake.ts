import { Scratch } from "../../codec/codec.js";
import { RecordCursor } from "../records/cursor.js";
import { recordBytes } from "../records/record-layout.js";

const FIRST_BYTES = 4096;
/** Records that are taken at once have so many bytes at most, unless it is one alone. */
const MOST_AT_ONCE = 64 * 1024;
/** Up to here a loop copies faster than a call. */
const SHORT_COPY = 64;
/** The sender hears of what was taken each time that it is this part of the capacity. */
const REPORT_PART = 8;

/**
 * What has arrived in a lane, in two pieces of memory that take turns: records stand in one for the cursor, and arrive in the other. No more than
 * the capacity can have arrived that the sender was not told of as taken.
 */
export class Intake {
  readonly records = new RecordCursor(new Scratch(new ArrayBuffer(FIRST_BYTES)));
  /** Bytes of whole records that were not taken, headers and padding included. */
  fill = 0;
  receivedMessages = 0;
  receivedBytes = 0;
  /** Since when (ms since the epoch) there has been nothing to take, or undefined while there is. */
  idleSince: number | undefined = Date.now();
  readonly #capacity: number;
  /** Records in the memory of the cursor that were not taken, and where they begin. */
  #ready = 0;
  #at = 0;
  /** Where bytes arrive: whole records, so many up to `#whole`, and a part of one up to `#end`. */
  #arriving = new Scratch(new ArrayBuffer(FIRST_BYTES));
  #count = 0;
  #whole = 0;
  #end = 0;
  /** Bytes taken that the sender does not know of. */
  #unreported = 0;
  /** The sender has asked, and so many bytes were before its question and are not taken yet; -1 if it has not. */
  #asked = -1;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Bytes that the sender may still send. */
  get left(): number {
    return this.#capacity - this.fill - this.#unreported;
  }

  /** Adds bytes of records, laid out as in a scratch. */
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

  /** What was added is so many whole records. */
  arrived(count: number): void {
    this.#count += count;
    this.fill += this.#end - this.#whole;
    this.#whole = this.#end;
    this.idleSince = undefined;
  }

  /** Moves the cursor before up to `max` records, at least one if there is one; returns how many. */
  take(max: number): number {
    if (this.#ready === 0) this.#turn();
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
    this.#took(count, end - this.#at);
    this.#at = end;
    return count;
  }

  /** The sender wants a report when all that has arrived was taken. */
  asks(): void {
    this.#asked = this.fill;
  }

  /** Whether a report is due: much was taken, or the sender's question is to be answered. */
  get owesReport(): boolean {
    return this.#asked === 0 || this.#unreported >= this.#capacity / REPORT_PART;
  }

  /** Bytes to be reported, now. A report because much was taken does not answer a question about the records behind as well. */
  report(): number {
    const bytes = this.#unreported;
    this.#unreported = 0;
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
    if (count === 0) return;
    this.#ready -= count;
    this.fill -= bytes;
    this.receivedMessages += count;
    if (this.fill === 0) this.idleSince = Date.now();
    this.#unreported += bytes;
    if (this.#asked > 0) this.#asked = Math.max(0, this.#asked - bytes);
  }
}

/** Copies bytes without making an object, where they are few. */
function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start > SHORT_COPY) {
    to.set(from.subarray(start, end), at);
    return;
  }
  for (let i = start, j = at; i < end; i++, j++) to[j] = from[i]!;
}

/** The least power of two that is at least `bytes`. */
export function powerOfTwo(bytes: number): number {
  return bytes <= 1 ? 1 : 2 ** (32 - Math.clz32(bytes - 1));
}

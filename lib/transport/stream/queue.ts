import type { Scratch } from "../../codec/codec.js";
import { recordBytes } from "../records/record-layout.js";

const FIRST_BYTES = 4096;
/** The inbox grows up to this by itself; beyond it only for a record that needs more. */
const INBOX_BYTES = 64 * 1024;
/** Up to here a loop copies faster than a call. */
const SHORT_COPY = 64;

/**
 * Records that have arrived and nobody has asked for: a ring of bytes in private memory that grows with what arrives.
 * How much that can be is for the lane's window to say.
 */
export class RecordQueue {
  #bytes: Buffer = Buffer.alloc(0);
  #words = new Int32Array(0);
  /** Where the oldest record begins; a multiple of 8, as is the ring's length, so that no header is ever split. */
  #start = 0;
  /** Bytes of the whole records in the queue, headers and padding included. */
  fill = 0;
  /** Bytes behind them that are no whole record yet. */
  #open = 0;
  /** Whole records in the queue. */
  count = 0;
  /** Bytes of their payloads. */
  payload = 0;
  /** What the last `take` took: bytes in all, and bytes of payload. */
  tookBytes = 0;
  tookPayload = 0;

  /** Adds bytes of `chunk`, laid out as in a scratch. They become records by `publish`. */
  append(chunk: Uint8Array, from: number, to: number): void {
    const length = to - from;
    const used = this.fill + this.#open;
    if (used + length > this.#bytes.length) this.#grow(used + length);
    const bytes = this.#bytes;
    const at = (this.#start + used) & (bytes.length - 1);
    const first = Math.min(length, bytes.length - at);
    copy(chunk, from, bytes, at, first);
    if (first < length) copy(chunk, from + first, bytes, 0, length - first);
    this.#open += length;
  }

  /** What was appended is `count` whole records with payloads of `payload` bytes. */
  publish(count: number, payload: number): void {
    this.fill += this.#open;
    this.#open = 0;
    this.count += count;
    this.payload += payload;
  }

  /** Moves up to `max` records to the beginning of the inbox, as many as fit, but at least one if there is one. */
  take(inbox: Scratch, max: number): number {
    if (this.count === 0 || max < 1) return 0;
    if (this.fill > inbox.length && inbox.length < INBOX_BYTES) {
      inbox.replace(new ArrayBuffer(Math.min(INBOX_BYTES, powerOfTwo(this.fill))));
    }
    let count = this.count;
    let bytes = this.fill;
    let payload = this.payload;
    if (count > max || bytes > inbox.length) {
      count = 0;
      bytes = 0;
      payload = 0;
      while (count < max && bytes < this.fill) {
        const length = this.#lengthAt(bytes);
        const size = recordBytes(length);
        if (bytes + size > inbox.length) {
          if (count > 0) break;
          inbox.replace(new ArrayBuffer(size));
        }
        bytes += size;
        payload += length;
        count++;
      }
    }
    this.#moveTo(inbox, bytes);
    this.count -= count;
    this.payload -= payload;
    this.tookBytes = bytes;
    this.tookPayload = payload;
    return count;
  }

  /** Forgets everything and frees the memory. */
  clear(): void {
    this.#bytes = Buffer.alloc(0);
    this.#words = new Int32Array(0);
    this.#start = 0;
    this.#open = 0;
    this.fill = 0;
    this.count = 0;
    this.payload = 0;
  }

  #lengthAt(offset: number): number {
    return this.#words[((this.#start + offset) & (this.#bytes.length - 1)) >>> 2]!;
  }

  #moveTo(inbox: Scratch, length: number): void {
    const bytes = this.#bytes;
    const first = Math.min(length, bytes.length - this.#start);
    copy(bytes, this.#start, inbox.buffer, 0, first);
    if (first < length) copy(bytes, 0, inbox.buffer, first, length - first);
    this.fill -= length;
    this.#start = (this.#start + length) & (bytes.length - 1);
    // Beginning anew keeps the bytes in use few, and in the cache.
    if (this.fill === 0 && this.#open === 0) this.#start = 0;
  }

  #grow(needed: number): void {
    const old = this.#bytes;
    const used = this.fill + this.#open;
    const bytes = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, powerOfTwo(needed)));
    const first = Math.min(used, old.length - this.#start);
    old.copy(bytes, 0, this.#start, this.#start + first);
    if (first < used) old.copy(bytes, first, 0, used - first);
    this.#bytes = bytes;
    this.#words = new Int32Array(bytes.buffer, 0, bytes.length >>> 2);
    this.#start = 0;
  }
}

/** Copies bytes without making an object, where they are few. */
export function copy(from: Uint8Array, at: number, to: Uint8Array, target: number, length: number): void {
  if (length > SHORT_COPY) {
    to.set(from.subarray(at, at + length), target);
    return;
  }
  for (let i = 0; i < length; i++) to[target + i] = from[at + i]!;
}

/** The least power of two that is at least `bytes`. */
export function powerOfTwo(bytes: number): number {
  return bytes <= 1 ? 1 : 2 ** (32 - Math.clz32(bytes - 1));
}

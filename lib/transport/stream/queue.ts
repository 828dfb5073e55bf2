import type { Scratch } from "../../codec/codec.js";
import { recordBytes } from "../records/record-layout.js";

const FIRST_BYTES = 4096;
/** The scratch grows up to this by itself; beyond it only for a record that needs more. */
const SCRATCH_BYTES = 64 * 1024;
/** Up to here a loop copies faster than a call. */
const SHORT_COPY = 64;

/**
 * Records that have arrived and nobody has asked for, in private memory that grows with what arrives.
 * How much that can be is for the lane's window to say.
 */
export class RecordQueue {
  #bytes = Buffer.alloc(0);
  #words = new Int32Array(0);
  /** Where the oldest record begins; a multiple of 8. */
  #start = 0;
  /** Where the next bytes go. */
  #end = 0;
  /** Bytes of the whole records in the queue, headers and padding included. */
  fill = 0;
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
    if (this.#end + length > this.#bytes.length) this.#makeRoom(length);
    copy(chunk, from, this.#bytes, this.#end, length);
    this.#end += length;
  }

  /** What was appended is `count` whole records with payloads of `payload` bytes. */
  publish(count: number, payload: number): void {
    this.fill = this.#end - this.#start;
    this.count += count;
    this.payload += payload;
  }

  /** Moves up to `max` records to the beginning of a scratch, as many as fit, but at least one if there is one. */
  take(scratch: Scratch, max: number): number {
    if (this.count === 0 || max < 1) return 0;
    if (this.fill > scratch.length && scratch.length < SCRATCH_BYTES) {
      scratch.replace(new ArrayBuffer(Math.min(SCRATCH_BYTES, powerOfTwo(this.fill))));
    }
    let count = this.count;
    let bytes = this.fill;
    let payload = this.payload;
    if (count > max || bytes > scratch.length) {
      count = 0;
      bytes = 0;
      payload = 0;
      while (count < max && bytes < this.fill) {
        const length = this.#words[(this.#start + bytes) >>> 2]!;
        const size = recordBytes(length);
        if (bytes + size > scratch.length) {
          if (count > 0) break;
          scratch.replace(new ArrayBuffer(size));
        }
        bytes += size;
        payload += length;
        count++;
      }
    }
    copy(this.#bytes, this.#start, scratch.buffer, 0, bytes);
    this.#start += bytes;
    this.fill -= bytes;
    this.count -= count;
    this.payload -= payload;
    this.tookBytes = bytes;
    this.tookPayload = payload;
    // Beginning anew keeps the bytes in use few, and in the cache.
    if (this.#start === this.#end) this.#start = this.#end = 0;
    return count;
  }

  /** Forgets everything and frees the memory. */
  clear(): void {
    this.#bytes = Buffer.alloc(0);
    this.#words = new Int32Array(0);
    this.#start = this.#end = this.fill = this.count = this.payload = 0;
  }

  /** Moves what is there to the beginning of the memory; of larger one where less than a quarter would be gained, so that bytes are moved seldom. */
  #makeRoom(length: number): void {
    const old = this.#bytes;
    const used = this.#end - this.#start;
    const least = this.#start < old.length / 4 ? old.length * 2 : old.length;
    const size = Math.max(FIRST_BYTES, powerOfTwo(used + length), least);
    if (size > old.length) {
      this.#bytes = Buffer.allocUnsafeSlow(size);
      this.#words = new Int32Array(this.#bytes.buffer, 0, size >>> 2);
    }
    old.copy(this.#bytes, 0, this.#start, this.#end);
    this.#start = 0;
    this.#end = used;
  }
}

/** Copies bytes without making an object, where they are few. */
function copy(from: Uint8Array, at: number, to: Uint8Array, target: number, length: number): void {
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

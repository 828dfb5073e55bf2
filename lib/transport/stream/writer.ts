import type { Scratch } from "../../codec/codec.js";
import type { Wire } from "../wire/wire.js";
import { CHUNK, FRAME_HEADER, frameWord } from "./frame-layout.js";

const FIRST_BYTES = 4096;
/** Gathered at most, before it is written. */
const GATHER_BYTES = 64 * 1024;
/** From here on bytes go to the wire as they are: copying them first costs more than the system call it saves. */
const DIRECT_BYTES = 16 * 1024;
/** Up to here a loop over words copies faster than a call. */
const SHORT_BYTES = 256;
const NO_WORDS: readonly number[] = [];

/** Gathers frames, so that many small ones cost one system call. */
export class FrameWriter {
  readonly #wire: Wire;
  #bytes = new Uint8Array(FIRST_BYTES);
  #words = new Int32Array(this.#bytes.buffer);
  #used = 0;
  /** How often the wire was written to. */
  writes = 0;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** Writes `bytes` bytes of record frames, packed from offset 0 of a scratch. */
  records({ buffer, words }: Scratch, bytes: number): void {
    if (bytes >= DIRECT_BYTES) {
      this.flush();
      this.#write(buffer.subarray(0, bytes));
      return;
    }
    this.#reserve(bytes);
    if (bytes <= SHORT_BYTES) {
      const to = this.#words;
      const at = this.#used >>> 2;
      for (let i = 0; i < bytes >>> 2; i++) to[at + i] = words[i]!;
    } else {
      this.#bytes.set(buffer.subarray(0, bytes), this.#used);
    }
    this.#used += bytes;
  }

  /** A frame whose payload is an even number of words. */
  frame(type: number, lane: number, payload = NO_WORDS): void {
    this.#reserve(FRAME_HEADER + 4 * payload.length);
    this.#header(4 * payload.length, type, lane);
    for (const word of payload) {
      this.#words[this.#used >>> 2] = word;
      this.#used += 4;
    }
  }

  /** Bytes of the block that was begun last in this lane; at least one. */
  chunk(lane: number, bytes: Uint8Array): void {
    const { length } = bytes;
    // Of a long one the last bytes go with their padding, so that what is gathered stays aligned.
    const direct = length < DIRECT_BYTES ? 0 : length & ~7;
    this.#reserve(FRAME_HEADER + length - direct + 7);
    this.#header(length, CHUNK, lane);
    if (direct > 0) {
      this.flush();
      this.#write(bytes.subarray(0, direct));
    }
    const end = this.#used + length - direct;
    this.#bytes.set(direct === 0 ? bytes : bytes.subarray(direct), this.#used);
    this.#used = (end + 7) & ~7;
    this.#bytes.fill(0, end, this.#used);
  }

  /** Hands what was gathered to the wire. */
  flush(): void {
    if (this.#used === 0) return;
    const bytes = this.#bytes.subarray(0, this.#used);
    this.#used = 0;
    this.#write(bytes);
  }

  /** Hands everything to the wire, and frees the memory. */
  close(): void {
    this.flush();
    this.#bytes = new Uint8Array(0);
    this.#words = new Int32Array(0);
  }

  #header(length: number, type: number, lane: number): void {
    const at = this.#used >>> 2;
    this.#words[at] = length;
    this.#words[at + 1] = frameWord(type, lane);
    this.#used += FRAME_HEADER;
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#bytes.length) return;
    if (this.#used + bytes > GATHER_BYTES) this.flush();
    let length = Math.max(this.#bytes.length, FIRST_BYTES);
    while (length < this.#used + bytes) length *= 2;
    if (length === this.#bytes.length) return;
    const grown = new Uint8Array(length);
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
    this.#words = new Int32Array(grown.buffer);
  }

  #write(bytes: Uint8Array): void {
    this.writes++;
    this.#wire.write(bytes);
  }
}

/** A number of up to 53 bits, as two words of a frame. */
export function u64(value: number): readonly [low: number, high: number] {
  return [value, Math.floor(value / 2 ** 32)];
}

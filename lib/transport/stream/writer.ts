import type { Scratch } from "../../codec/codec.js";
import type { Wire } from "../wire/wire.js";
import { CHUNK, FRAME_HEADER, frameWord } from "./frame-layout.js";

const FIRST_BYTES = 4096;
/** The most bytes that are gathered. */
const GATHER_BYTES = 64 * 1024;
/** From this length on bytes go to the wire without a copy: the copy would cost more than the system call that it saves. */
const DIRECT_BYTES = 16 * 1024;
/** Up to this length a loop over words copies faster than a call. */
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

  /** Whether nothing is gathered. */
  get isEmpty(): boolean {
    return this.#used === 0;
  }

  /** Writes the first `bytes` bytes of a scratch, which are whole RECORD frames. */
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

  /** Writes a frame with a payload of an even number of words. */
  frame(type: number, lane: number, payload = NO_WORDS): void {
    this.#reserve(FRAME_HEADER + 4 * payload.length);
    this.#header(4 * payload.length, type, lane);
    for (const word of payload) {
      this.#words[this.#used >>> 2] = word;
      this.#used += 4;
    }
  }

  /** Writes a CHUNK frame with `bytes`, of which there is at least one. */
  chunk(lane: number, bytes: Uint8Array): void {
    const { length } = bytes;
    // The last bytes of a long chunk go with the padding, so that the gathered bytes stay aligned.
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

  /** Writes the gathered bytes to the wire. */
  flush(): void {
    if (this.#used === 0) return;
    const bytes = this.#bytes.subarray(0, this.#used);
    this.#used = 0;
    this.#write(bytes);
  }

  /** Writes the gathered bytes to the wire, and frees the memory. */
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

/** The two words of a number of up to 53 bits, the low one first. */
export function u64(value: number): readonly [low: number, high: number] {
  return [value, Math.floor(value / 2 ** 32)];
}

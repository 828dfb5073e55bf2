import type { Scratch } from "../../codec/codec.js";
import type { Wire } from "../wire/wire.js";
import {
  BLOCK,
  BLOCK_PAYLOAD,
  CHUNK,
  FRAME_HEADER,
  frameWord,
  RETURN,
  RETURN_PAYLOAD,
  TAKEN,
  TAKEN_PAYLOAD,
} from "./frame-layout.js";

const FIRST_BYTES = 4096;
/** Gathered at most, before it is written. */
const GATHER_BYTES = 64 * 1024;
/** From here on records go to the wire as they are: copying them first costs more than the system call it saves. */
const DIRECT_BYTES = 16 * 1024;
/** Up to here a loop over words copies faster than a call. */
const SHORT_BYTES = 256;

/** Gathers frames, so that many small ones cost one system call. */
export class FrameWriter {
  readonly #wire: Wire;
  #bytes: Uint8Array;
  #words: Int32Array;
  #used = 0;
  /** How often the wire was written to. */
  writes = 0;

  constructor(wire: Wire) {
    this.#wire = wire;
    this.#bytes = new Uint8Array(FIRST_BYTES);
    this.#words = new Int32Array(this.#bytes.buffer);
  }

  /** Writes `bytes` bytes of record frames, packed from offset 0 of `outbox`. */
  records(outbox: Scratch, bytes: number): void {
    if (bytes >= DIRECT_BYTES) {
      this.#write();
      this.writes++;
      this.#wire.write(outbox.buffer.subarray(0, bytes));
      return;
    }
    this.#reserve(bytes);
    if (bytes <= SHORT_BYTES) {
      const from = outbox.words;
      const to = this.#words;
      const at = this.#used >>> 2;
      for (let i = 0; i < bytes >>> 2; i++) to[at + i] = from[i]!;
    } else {
      this.#bytes.set(outbox.buffer.subarray(0, bytes), this.#used);
    }
    this.#used += bytes;
  }

  /** A frame without payload. */
  frame(type: number, lane: number): void {
    this.#reserve(FRAME_HEADER);
    this.#header(0, type, lane);
  }

  taken(lane: number, bytes: number): void {
    this.#reserve(FRAME_HEADER + 8);
    this.#header(TAKEN_PAYLOAD, TAKEN, lane);
    this.#two(bytes, 0);
  }

  /** A block begins. */
  block(lane: number, id: number, flags: number, length: number): void {
    this.#reserve(FRAME_HEADER + BLOCK_PAYLOAD);
    this.#header(BLOCK_PAYLOAD, BLOCK, lane);
    this.#two(id, flags);
    this.#two(length, Math.floor(length / 2 ** 32));
  }

  /** Bytes of the block that was begun last in this lane; not none. */
  chunk(lane: number, bytes: Uint8Array): void {
    const { length } = bytes;
    if (length < DIRECT_BYTES) {
      this.#reserve(FRAME_HEADER + length + 7);
      this.#header(length, CHUNK, lane);
      this.#tail(bytes, 0);
      return;
    }
    this.#reserve(FRAME_HEADER);
    this.#header(length, CHUNK, lane);
    this.#write();
    // The last bytes go with their padding, so that what is gathered stays aligned.
    const whole = length & ~7;
    this.writes++;
    this.#wire.write(bytes.subarray(0, whole));
    if (whole === length) return;
    this.#reserve(8);
    this.#tail(bytes, whole);
  }

  /** A block of the peer's was released. */
  returned(id: number): void {
    this.#reserve(FRAME_HEADER + 8);
    this.#header(RETURN_PAYLOAD, RETURN, 0);
    this.#two(id, 0);
  }

  /** Hands what was gathered to the wire, unless that has more than the kernel takes: then it is better kept together. */
  flush(): void {
    if (this.#used > 0 && this.#wire.buffered === 0) this.#write();
  }

  /** Hands everything to the wire, and frees the memory. */
  close(): void {
    this.#write();
    this.#bytes = new Uint8Array(0);
    this.#words = new Int32Array(0);
  }

  #header(length: number, type: number, lane: number): void {
    const at = this.#used >>> 2;
    this.#words[at] = length;
    this.#words[at + 1] = frameWord(type, lane);
    this.#used += FRAME_HEADER;
  }

  #two(first: number, second: number): void {
    const at = this.#used >>> 2;
    this.#words[at] = first;
    this.#words[at + 1] = second;
    this.#used += 8;
  }

  /** The bytes from `from` on, and zeros up to a multiple of 8. */
  #tail(bytes: Uint8Array, from: number): void {
    const end = this.#used + bytes.length - from;
    this.#bytes.set(from === 0 ? bytes : bytes.subarray(from), this.#used);
    this.#used = (end + 7) & ~7;
    this.#bytes.fill(0, end, this.#used);
  }

  #reserve(bytes: number): void {
    const needed = this.#used + bytes;
    if (needed <= this.#bytes.length) return;
    if (needed > GATHER_BYTES) {
      this.#write();
      if (bytes <= this.#bytes.length) return;
    }
    let length = Math.max(this.#bytes.length, FIRST_BYTES);
    while (length < this.#used + bytes) length *= 2;
    const grown = new Uint8Array(length);
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
    this.#words = new Int32Array(grown.buffer);
  }

  #write(): void {
    if (this.#used === 0) return;
    const bytes = this.#bytes.subarray(0, this.#used);
    this.#used = 0;
    this.writes++;
    this.#wire.write(bytes);
  }
}

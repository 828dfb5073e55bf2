import { IN_BLOCK, PLAIN, recordBytes, WITH_BLOCKS } from "../records/record-layout.js";
import { Breach } from "./breach.js";
import {
  ASK,
  BLOCK,
  CHUNK,
  CLOSING,
  FRAME_HEADER,
  FREED,
  frameWord,
  LONGEST_PAYLOAD,
  PAYLOAD_BYTES,
  RECORD,
  REFUSED,
  TAKEN,
} from "./frame-layout.js";
import type { StreamBulk } from "./stream-bulk.js";
import type { WindowLane } from "./window-lane.js";

/** Results of `feed`. */
export const GO_ON = 0;
export const PEER_CLOSES = 1;
export const PEER_REFUSES = 2;
export type Verdict = typeof GO_ON | typeof PEER_CLOSES | typeof PEER_REFUSES;

/**
 * Takes the bytes of the socket apart into frames, wherever they are cut. It checks lane, type and length of every
 * frame. It keeps nothing beyond the bounds: those of the lane's window for records, and the agreed limit for blocks.
 */
export class FrameParser {
  readonly #lanes: readonly WindowLane[];
  readonly #bulk: StreamBulk;
  /** The frame that is being read: its header, and the payload if that has a fixed length. */
  readonly #head = new Uint8Array(FRAME_HEADER + LONGEST_PAYLOAD);
  readonly #view = new DataView(this.#head.buffer);
  #have = 0;
  #goal = FRAME_HEADER;
  /** The lane of the record or chunk that is being read, and the bytes to come. The last of them are padding. */
  #lane: WindowLane | undefined;
  #left = 0;
  #padding = 0;
  /** The record's kind; undefined for a chunk. */
  #kind: number | undefined;

  constructor(lanes: readonly WindowLane[], bulk: StreamBulk) {
    this.#lanes = lanes;
    this.#bulk = bulk;
  }

  /** Throws a Breach. Not to be called after that, nor after another result than GO_ON. */
  feed(chunk: Uint8Array): Verdict {
    const end = chunk.length;
    let at = 0;
    while (at < end) {
      if (this.#left > 0) {
        at = this.#more(chunk, at, end);
        continue;
      }
      if (this.#have === 0) {
        at = this.#wholeRecords(chunk, at, end);
        if (at === end) break;
      }
      while (this.#have < this.#goal && at < end) this.#head[this.#have++] = chunk[at++]!;
      if (this.#have < this.#goal) break;
      const verdict = this.#goal === FRAME_HEADER ? this.#header() : this.#body();
      if (verdict !== GO_ON) return verdict;
    }
    return GO_ON;
  }

  /**
   * The fast path: moves the plain records of one lane that are whole in the chunk at once. It leaves anything
   * else to `#header`, and so it does while a record with blocks is due.
   */
  #wholeRecords(chunk: Uint8Array, from: number, end: number): number {
    const index = from + FRAME_HEADER <= end ? chunk[from + 4]! : -1;
    const lane = this.#lanes[index];
    if (lane === undefined || lane.arrivals.waiting) return from;
    const word = frameWord(RECORD, index);
    const longest = lane.maxBytes;
    let window = lane.intake.left;
    let at = from;
    let count = 0;
    while (at + FRAME_HEADER <= end) {
      const length = u32(chunk, at);
      if (u32(chunk, at + 4) !== word || length > longest) break;
      const size = recordBytes(length);
      if (size > window || at + size > end) break;
      window -= size;
      at += size;
      count++;
    }
    if (count > 0) {
      lane.intake.append(chunk, from, at);
      lane.intake.arrived(count);
    }
    return at;
  }

  /** Moves the next bytes of a record or a chunk. */
  #more(chunk: Uint8Array, from: number, end: number): number {
    const lane = this.#lane!;
    const to = Math.min(end, from + this.#left);
    const last = Math.min(to, from + this.#left - this.#padding);
    this.#left -= to - from;
    if (this.#kind !== undefined) {
      lane.intake.append(chunk, from, to);
      if (this.#left === 0) this.#recordDone(lane);
    } else if (last > from) {
      lane.arrivals.add(chunk, from, last);
    }
    return to;
  }

  #recordDone(lane: WindowLane): void {
    if (this.#kind !== PLAIN) lane.arrivals.message();
    lane.intake.arrived(1);
  }

  #header(): Verdict {
    const length = this.#view.getUint32(0, true);
    const index = this.#head[4]!;
    const type = this.#head[5]!;
    const kind = this.#view.getUint16(6, true);
    const lane = this.#lanes[index];
    const bytes = PAYLOAD_BYTES[type];
    if (lane === undefined) throw new Breach(`a frame has the lane ${index}, which does not exist`);
    if (bytes === undefined) throw new Breach(`a frame has the type ${type}, which does not exist`);
    this.#have = 0;
    if (type === RECORD) {
      this.#record(lane, length, kind);
      return GO_ON;
    }
    const forAllLanes = type === CLOSING || type === REFUSED || type === FREED;
    if (kind !== 0 || (forAllLanes && index !== 0)) {
      throw new Breach(`a frame of type ${type} has the lane ${index} and the kind ${kind}`);
    }
    if (type === CHUNK) {
      lane.arrivals.chunk(length);
      this.#expect(lane, undefined, length);
      return GO_ON;
    }
    if (length !== bytes) throw new Breach(`a frame of type ${type} has ${length} bytes, not ${bytes}`);
    if (type === CLOSING) return PEER_CLOSES;
    if (type === REFUSED) return PEER_REFUSES;
    if (type === ASK) {
      lane.peerAsks();
      return GO_ON;
    }
    this.#have = FRAME_HEADER;
    this.#goal = FRAME_HEADER + bytes;
    return GO_ON;
  }

  #record(lane: WindowLane, length: number, kind: number): void {
    if (kind !== PLAIN && kind !== WITH_BLOCKS && kind !== IN_BLOCK) {
      throw new Breach(`a record has the kind ${kind}, which does not exist`);
    }
    lane.arrivals.record(kind !== PLAIN);
    const left = lane.intake.left;
    if (length > lane.maxBytes || recordBytes(length) > left) {
      throw new Breach(
        `a record of ${length} bytes came; expected up to ${lane.maxBytes}, and ${left} in all`,
      );
    }
    lane.intake.append(this.#head, 0, FRAME_HEADER);
    this.#expect(lane, kind, length);
    if (this.#left === 0) this.#recordDone(lane);
  }

  /** The payload of a record, or of a chunk if `kind` is undefined, is next. */
  #expect(lane: WindowLane, kind: number | undefined, length: number): void {
    this.#lane = lane;
    this.#kind = kind;
    // Not by bit operations: a chunk may have 2^31 bytes and more.
    this.#padding = (8 - (length % 8)) % 8;
    this.#left = length + this.#padding;
  }

  /** The payload of a TAKEN, BLOCK or FREED frame is complete. */
  #body(): Verdict {
    const lane = this.#lanes[this.#head[4]!]!;
    const type = this.#head[5]!;
    const last = this.#view.getUint32(this.#goal - 4, true);
    if (last !== 0) throw new Breach(`a frame of type ${type} ends with ${last}, not with 0`);
    this.#have = 0;
    this.#goal = FRAME_HEADER;
    if (type === TAKEN) lane.peerTook(this.#word(0));
    else if (type === BLOCK) lane.arrivals.begin(this.#number(0), this.#word(2));
    else this.#bulk.peerFreed(this.#word(4), this.#number(0), this.#number(2));
    return GO_ON;
  }

  /** Returns a word of the payload. */
  #word(index: number): number {
    return this.#view.getUint32(FRAME_HEADER + 4 * index, true);
  }

  /** Returns a number of two words of the payload. */
  #number(index: number): number {
    return this.#word(index + 1) * 2 ** 32 + this.#word(index);
  }
}

function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

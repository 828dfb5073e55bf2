import { IN_BLOCK, longestPayload, PLAIN, recordBytes, WITH_BLOCKS } from "../records/record-layout.js";
import type { Arrivals } from "./arrivals.js";
import {
  ASK,
  BLOCK,
  BLOCK_PAYLOAD,
  CHUNK,
  CLOSING,
  FRAME_HEADER,
  frameWord,
  RECORD,
  REFUSED,
  RETURN,
  RETURN_PAYLOAD,
  TAKEN,
  TAKEN_PAYLOAD,
} from "./frame-layout.js";
import type { RecordQueue } from "./queue.js";

/** What the reader fills and tells. */
export interface ReceivingLane {
  readonly capacity: number;
  readonly queue: RecordQueue;
  readonly arrivals: Arrivals;
  /** Bytes that the peer may still send. */
  windowLeft(): number;
  /** Records are in the queue. */
  arrived(): void;
  /** The peer has taken so many bytes. False if they were never sent. */
  peerTook(bytes: number): boolean;
  /** The peer wants to know when everything up to here has been taken. */
  peerAsks(): void;
}

/** Who is told of blocks that the peer has released. */
export interface Returns {
  /** False if the peer had no block of this id. */
  returned(id: number): boolean;
}

/** What `feed` found. */
export const GO_ON = 0;
export const PEER_CLOSES = 1;
export const PEER_REFUSES = 2;
export const FAULT = 3;
export type Verdict = typeof GO_ON | typeof PEER_CLOSES | typeof PEER_REFUSES | typeof FAULT;

/**
 * Takes the bytes of the socket apart, however they are cut, and believes none of them: lane, type and length of every
 * frame are checked, and what a peer may send is bounded before anything is kept: records by the lane's window, blocks by the
 * limit that was agreed.
 */
export class FrameParser {
  readonly #lanes: readonly ReceivingLane[];
  readonly #returns: Returns;
  /** The frame that is being read, as far as it is not the payload of a record or a chunk. */
  readonly #head = new Uint8Array(FRAME_HEADER + BLOCK_PAYLOAD);
  readonly #view = new DataView(this.#head.buffer);
  #have = 0;
  #goal = FRAME_HEADER;
  /** The record or chunk that is being read: its lane, its length, and the bytes to come, padding included. */
  #lane: ReceivingLane | undefined;
  #length = 0;
  #left = 0;
  #isChunk = false;
  /** The record's kind; for a chunk, bytes of its padding. */
  #kind = PLAIN;
  #padding = 0;
  /** What was wrong, after FAULT. */
  fault = "";

  constructor(lanes: readonly ReceivingLane[], returns: Returns) {
    this.#lanes = lanes;
    this.#returns = returns;
  }

  /** After anything but GO_ON it must not be called any more. */
  feed(chunk: Uint8Array): Verdict {
    const end = chunk.length;
    let at = 0;
    while (at < end) {
      if (this.#left > 0) {
        at = this.#isChunk ? this.#bytes(chunk, at, end) : this.#payload(chunk, at, end);
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
   * The fast path: moves the plain records of one lane that lie whole in the chunk at once. Anything doubtful is left to
   * `header`, and so is a lane in which a record with blocks is due.
   */
  #wholeRecords(chunk: Uint8Array, from: number, end: number): number {
    const index = from + FRAME_HEADER <= end ? chunk[from + 4]! : -1;
    const lane = this.#lanes[index];
    if (lane === undefined || lane.arrivals.waiting) return from;
    const word = frameWord(RECORD, index);
    const longest = longestPayload(lane.capacity);
    let window = lane.windowLeft();
    let at = from;
    let count = 0;
    let payload = 0;
    while (at + FRAME_HEADER <= end) {
      const length = u32(chunk, at);
      if (u32(chunk, at + 4) !== word || length > longest) break;
      const size = recordBytes(length);
      if (size > window || at + size > end) break;
      window -= size;
      at += size;
      payload += length;
      count++;
    }
    if (count > 0) {
      lane.queue.append(chunk, from, at);
      lane.queue.publish(count, payload);
      lane.arrived();
    }
    return at;
  }

  #payload(chunk: Uint8Array, from: number, end: number): number {
    const to = Math.min(end, from + this.#left);
    const lane = this.#lane!;
    lane.queue.append(chunk, from, to);
    this.#left -= to - from;
    if (this.#left === 0) this.#recordDone(lane);
    return to;
  }

  #recordDone(lane: ReceivingLane): void {
    lane.queue.publish(1, this.#length);
    if (this.#kind !== PLAIN) lane.arrivals.message();
    lane.arrived();
  }

  /** The bytes of a chunk, and its padding. */
  #bytes(chunk: Uint8Array, from: number, end: number): number {
    const to = Math.min(end, from + this.#left);
    const last = Math.min(to, from + this.#left - this.#padding);
    if (last > from) this.#lane!.arrivals.add(chunk, from, last);
    this.#left -= to - from;
    return to;
  }

  #header(): Verdict {
    const length = this.#view.getUint32(0, true);
    const index = this.#head[4]!;
    const type = this.#head[5]!;
    const lane = this.#lanes[index];
    const kind = this.#view.getUint16(6, true);
    this.#have = 0;
    if (lane === undefined) return this.#wrong(`there is no lane ${index}`);
    if (type === RECORD) return this.#record(lane, index, length, kind);
    if (kind !== 0) return this.#wrong("a frame's reserved bytes are not zero");
    switch (type) {
      case TAKEN:
        if (length !== TAKEN_PAYLOAD) return this.#wrong(`a report has ${length} bytes`);
        return this.#expect(8);
      case BLOCK:
        if (length !== BLOCK_PAYLOAD) return this.#wrong(`the beginning of a block has ${length} bytes`);
        return this.#expect(BLOCK_PAYLOAD);
      case CHUNK:
        return this.#chunk(lane, length);
      case RETURN:
        if (length !== RETURN_PAYLOAD || index !== 0)
          return this.#wrong("a return has a lane, or is no number");
        return this.#expect(8);
      case ASK:
        if (length !== 0) return this.#wrong(`a request has ${length} bytes`);
        lane.peerAsks();
        return GO_ON;
      case CLOSING:
      case REFUSED:
        if (length !== 0 || index !== 0) return this.#wrong("a closing frame has a payload or a lane");
        return type === CLOSING ? PEER_CLOSES : PEER_REFUSES;
      default:
        return this.#wrong(`there is no frame of type ${type}`);
    }
  }

  /** The payload of the frame comes, padded to `bytes`. */
  #expect(bytes: number): Verdict {
    this.#have = FRAME_HEADER;
    this.#goal = FRAME_HEADER + bytes;
    return GO_ON;
  }

  #record(lane: ReceivingLane, index: number, length: number, kind: number): Verdict {
    if (kind !== PLAIN && kind !== WITH_BLOCKS && kind !== IN_BLOCK) {
      return this.#wrong(`there is no record of kind ${kind}`);
    }
    const fault = lane.arrivals.record(kind !== PLAIN);
    if (fault !== undefined) return this.#wrong(fault);
    const longest = longestPayload(lane.capacity);
    if (length > longest) {
      return this.#wrong(`a record of ${length} bytes came in lane ${index}, which takes up to ${longest}`);
    }
    const size = recordBytes(length);
    if (size > lane.windowLeft()) return this.#wrong(`more came in lane ${index} than was let in`);
    lane.queue.append(this.#head, 0, FRAME_HEADER);
    this.#lane = lane;
    this.#length = length;
    this.#kind = kind;
    this.#isChunk = false;
    this.#left = size - FRAME_HEADER;
    if (this.#left === 0) this.#recordDone(lane);
    return GO_ON;
  }

  #chunk(lane: ReceivingLane, length: number): Verdict {
    const fault = lane.arrivals.chunk(length);
    if (fault !== undefined) return this.#wrong(fault);
    this.#lane = lane;
    this.#isChunk = true;
    // A block may be longer than what 32 bits of signed arithmetic hold.
    this.#padding = (8 - (length % 8)) % 8;
    this.#left = length + this.#padding;
    return GO_ON;
  }

  /** The payload of a short frame is here. */
  #body(): Verdict {
    const index = this.#head[4]!;
    const lane = this.#lanes[index]!;
    const number = this.#view.getUint32(FRAME_HEADER, true);
    this.#have = 0;
    this.#goal = FRAME_HEADER;
    switch (this.#head[5]!) {
      case TAKEN:
        if (lane.peerTook(number)) return GO_ON;
        return this.#wrong(
          `${number} bytes were reported as taken from lane ${index}, which were not on their way`,
        );
      case RETURN:
        if (this.#returns.returned(number)) return GO_ON;
        return this.#wrong(`block ${number} was returned, and was not out`);
      default: {
        const flags = this.#view.getUint32(FRAME_HEADER + 4, true);
        const low = this.#view.getUint32(FRAME_HEADER + 8, true);
        const high = this.#view.getUint32(FRAME_HEADER + 12, true);
        const fault = lane.arrivals.begin(number, flags, high * 2 ** 32 + low);
        return fault === undefined ? GO_ON : this.#wrong(fault);
      }
    }
  }

  #wrong(what: string): Verdict {
    this.fault = what;
    return FAULT;
  }
}

function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

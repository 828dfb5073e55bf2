import { longestPayload, recordBytes } from "./contract.js";
import {
  ASK,
  CLOSING,
  FRAME_HEADER,
  frameWord,
  RECORD,
  REFUSED,
  TAKEN,
  TAKEN_PAYLOAD,
} from "./stream-frames.js";
import type { RecordQueue } from "./stream-queue.js";

/** What the reader fills and tells. */
export interface ReceivingLane {
  readonly capacity: number;
  readonly queue: RecordQueue;
  /** Bytes that the peer may still send. */
  windowLeft(): number;
  /** Records are in the queue. */
  arrived(): void;
  /** The peer has taken so many bytes. False if they were never sent. */
  peerTook(bytes: number): boolean;
  /** The peer wants to know when everything up to here has been taken. */
  peerAsks(): void;
}

/** What `feed` found. */
export const GO_ON = 0;
export const PEER_CLOSES = 1;
export const PEER_REFUSES = 2;
export const FAULT = 3;
export type Verdict = typeof GO_ON | typeof PEER_CLOSES | typeof PEER_REFUSES | typeof FAULT;

/**
 * Takes the bytes of the socket apart, however they are cut, and believes none of them: lane, type and length of every
 * frame are checked, and what a peer may send is bounded by the lane's window before anything is kept.
 */
export class FrameReader {
  readonly #lanes: readonly ReceivingLane[];
  /** The frame that is being read, as far as it is not the payload of a record. */
  readonly #head = new Uint8Array(2 * FRAME_HEADER);
  readonly #view = new DataView(this.#head.buffer);
  #have = 0;
  #goal = FRAME_HEADER;
  /** The record that is being read: its lane, its length, and the bytes to come, padding included. */
  #lane: ReceivingLane | undefined;
  #length = 0;
  #left = 0;
  /** What was wrong, after FAULT. */
  fault = "";

  constructor(lanes: readonly ReceivingLane[]) {
    this.#lanes = lanes;
  }

  /** After anything but GO_ON it must not be called any more. */
  feed(chunk: Uint8Array): Verdict {
    const end = chunk.length;
    let at = 0;
    while (at < end) {
      if (this.#left > 0) {
        at = this.#payload(chunk, at, end);
        continue;
      }
      if (this.#have === 0) {
        at = this.#wholeRecords(chunk, at, end);
        if (at === end) break;
      }
      while (this.#have < this.#goal && at < end) this.#head[this.#have++] = chunk[at++]!;
      if (this.#have < this.#goal) break;
      const verdict = this.#goal === FRAME_HEADER ? this.#header() : this.#taken();
      if (verdict !== GO_ON) return verdict;
    }
    return GO_ON;
  }

  /** The fast path: moves the records of one lane that lie whole in the chunk at once. Anything doubtful is left to `header`. */
  #wholeRecords(chunk: Uint8Array, from: number, end: number): number {
    const index = from + FRAME_HEADER <= end ? chunk[from + 4]! : -1;
    const lane = this.#lanes[index];
    if (lane === undefined) return from;
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
    lane.arrived();
  }

  #header(): Verdict {
    const length = this.#view.getUint32(0, true);
    const index = this.#head[4]!;
    const type = this.#head[5]!;
    const lane = this.#lanes[index];
    this.#have = 0;
    if (this.#view.getUint16(6, true) !== 0) return this.#wrong("a frame's reserved bytes are not zero");
    if (lane === undefined) return this.#wrong(`there is no lane ${index}`);
    switch (type) {
      case RECORD:
        return this.#record(lane, index, length);
      case TAKEN:
        if (length !== TAKEN_PAYLOAD) return this.#wrong(`a report has ${length} bytes`);
        this.#have = FRAME_HEADER;
        this.#goal = 2 * FRAME_HEADER;
        return GO_ON;
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

  #record(lane: ReceivingLane, index: number, length: number): Verdict {
    const longest = longestPayload(lane.capacity);
    if (length > longest) {
      return this.#wrong(`a record of ${length} bytes came in lane ${index}, which takes up to ${longest}`);
    }
    const size = recordBytes(length);
    if (size > lane.windowLeft()) return this.#wrong(`more came in lane ${index} than was let in`);
    lane.queue.append(this.#head, 0, FRAME_HEADER);
    this.#lane = lane;
    this.#length = length;
    this.#left = size - FRAME_HEADER;
    if (this.#left === 0) this.#recordDone(lane);
    return GO_ON;
  }

  #taken(): Verdict {
    const index = this.#head[4]!;
    this.#have = 0;
    this.#goal = FRAME_HEADER;
    const bytes = this.#view.getUint32(FRAME_HEADER, true);
    if (this.#lanes[index]!.peerTook(bytes)) return GO_ON;
    return this.#wrong(
      `${bytes} bytes were reported as taken from lane ${index}, which were not on their way`,
    );
  }

  #wrong(what: string): Verdict {
    this.fault = what;
    return FAULT;
  }
}

function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

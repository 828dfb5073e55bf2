import type { Block } from "../bulk/block.js";
import { type Codec, NO_ROOM, Scratch } from "../codec/codec.js";
import { EncodeError, MessageTooLargeError } from "../errors.js";
import type { TransportBulk, TransportLane } from "../transport/contract.js";
import { NO_MEMORY, SENT, type SendStatus } from "../transport/records/send-status.js";

/** Bytes of records gathered before a batch is published: the receiver works on one part while the next is being encoded. */
const BATCH_BYTES = 32 * 1024;

/** A message that carries blocks, or lies in one, and was not sent yet. */
export interface Parcel {
  /** The block that the message lies in; undefined: it stands at the place of the lane. Whoever does not send it releases it. */
  body: Block | undefined;
  /** The bytes of the message. */
  readonly bytes: number;
  /** The blocks that it carries. */
  readonly blocks: readonly Block[];
}

/** A message in private memory. */
export interface PrivateCopy {
  readonly bytes: Uint8Array;
  readonly blocks: readonly Block[];
}

/** How long messages may be, in bytes as encoded. */
export interface MessageLimits {
  readonly maxMessageBytes: number;
  /** What is longer goes by a block. */
  readonly bulkThreshold: number;
}

/** Encodes the messages of a lane: at its place if they are short, into blocks if they are long. */
export class Encoder<Send> {
  /** The longest message in bytes. */
  readonly limit: number;
  /** The longest that goes by the ring. */
  readonly inRing: number;
  readonly #lane: TransportLane;
  readonly #bulk: TransportBulk;
  readonly #codec: Codec<Send, unknown>;
  /** An empty list for the blocks of the next message. One that a message has put blocks on belongs to that message. */
  #spare: Block[] | undefined = [];

  constructor(
    lane: TransportLane,
    bulk: TransportBulk,
    codec: Codec<Send, unknown>,
    { maxMessageBytes, bulkThreshold }: MessageLimits,
  ) {
    this.#lane = lane;
    this.#bulk = bulk;
    this.#codec = codec;
    this.limit = Math.min(maxMessageBytes, Math.max(bulk.limit, lane.maxBytes));
    // Where there is little memory for blocks, or none, they are for what the ring can't carry.
    const threshold = bulk.limit < lane.maxBytes ? lane.maxBytes : bulkThreshold;
    this.inRing = Math.min(this.limit, lane.maxBytes, threshold);
  }

  /**
   * Encodes a message. Returns the bytes of one that stands alone at the place (nearly all do), a Parcel for any other, or undefined
   * where there is no memory for it now. `waits`: the message is worth a block although it can't be sent now. Hot.
   */
  encode(message: Send, waits: boolean): number | Parcel | undefined {
    const { scratch, at } = this.#lane.place;
    const blocks = this.#spare ?? [];
    this.#spare = undefined;
    const bytes = this.#codec.encode(message, scratch, at, blocks);
    if (blocks.length === 0) this.#spare = blocks;
    // A codec of the program's may return what is no length.
    if (bytes >= 0 && bytes <= this.inRing) return parcelOf(bytes, blocks);
    return this.#encodeLong(message, bytes, waits);
  }

  /**
   * Encodes messages from `from` on side by side at the place; returns how many: none, where the first is not to be sent so. Hot.
   */
  pack(messages: readonly Send[], from: number): number {
    const { place } = this.#lane;
    const { scratch } = place;
    const codec = this.#codec;
    const limit = this.inRing;
    const end = Math.min(scratch.length, BATCH_BYTES);
    const blocks: Block[] = [];
    let next = from;
    while (next < messages.length && place.at < end) {
      let bytes: number;
      try {
        bytes = codec.encode(messages[next]!, scratch, place.at, blocks);
      } catch (error) {
        // The messages before the bad one go out first; then it is met again, as the first.
        if (next > from) break;
        throw error;
      }
      if (!(bytes >= 0 && bytes <= limit) || blocks.length > 0) break;
      place.pack(bytes);
      next++;
    }
    return next - from;
  }

  /** Sends a message that `encode` returned. The body of one that does not go out stays the caller's. */
  send(parcel: Parcel, timeout: number): SendStatus {
    const lane = this.#lane;
    const { bytes, blocks } = parcel;
    if (parcel.body === undefined) {
      if (lane.fits(bytes, blocks.length)) return lane.sendWithBlocks(bytes, blocks, timeout);
      // The message leaves no room for the table of its blocks.
      const { scratch, at } = lane.place;
      if (!this.putIntoBlock(parcel, scratch.buffer.subarray(at, at + bytes))) return NO_MEMORY;
    }
    const status = lane.sendInBlock(parcel.body!, bytes, blocks, timeout);
    if (status === SENT) parcel.body = undefined;
    return status;
  }

  /** Gives a message a body with a copy of its bytes; false if there is no memory for it now. */
  putIntoBlock(parcel: Parcel, bytes: Uint8Array): boolean {
    const body = this.#bulk.allocate(bytes.length);
    if (body === undefined) return false;
    body.bytes.set(bytes);
    parcel.body = body;
    return true;
  }

  /** A copy of a message that `encode` found no memory for. */
  encodePrivately(message: Send): PrivateCopy {
    let room = this.inRing * 2;
    for (;;) {
      room = Math.min(room, this.limit);
      const scratch = new Scratch(new ArrayBuffer(room));
      const blocks: Block[] = [];
      const result = this.#codec.encode(message, scratch, 0, blocks);
      if (result >= 0) return { bytes: scratch.buffer.subarray(0, result), blocks };
      if (room === this.limit) throw this.#tooLarge(result);
      room = Math.max(room * 2, -result);
    }
  }

  /**
   * The message did not fit the place, as `first` says, which the codec returned: makes the place longer, as long as what it carries may
   * go by the ring; else takes a block.
   */
  #encodeLong(message: Send, first: number, waits: boolean): number | Parcel | undefined {
    const lane = this.#lane;
    let result = first;
    let blocks: Block[] = [];
    while (result < 0) {
      const { scratch, at } = lane.place;
      const length = scratch.length - at;
      const needed = result === NO_ROOM || -result <= length ? length * 2 : -result;
      if (length >= this.inRing || (needed > this.inRing && result !== NO_ROOM)) break;
      lane.grow(Math.min(needed, this.inRing));
      blocks = [];
      result = this.#codec.encode(message, scratch, lane.place.at, blocks);
    }
    if (!Number.isInteger(result)) {
      throw new EncodeError(`the codec ${this.#codec.name} returned ${result} for a length`, "");
    }
    if (result >= 0 && result <= this.inRing) return parcelOf(result, blocks);
    const exact = result === NO_ROOM ? undefined : Math.abs(result);
    const inBlock = this.#encodeIntoBlock(message, exact, waits);
    if (inBlock !== undefined || exact === undefined || exact > Math.min(lane.maxBytes, this.limit))
      return inBlock;
    // There is no memory for a block now, but the ring can carry it.
    lane.grow(exact);
    blocks = [];
    const inRing = this.#codec.encode(message, lane.place.scratch, lane.place.at, blocks);
    return inRing >= 0 ? parcelOf(inRing, blocks) : undefined;
  }

  #encodeIntoBlock(message: Send, known: number | undefined, waits: boolean): Parcel | undefined {
    if (this.#bulk.limit < this.#lane.maxBytes) throw new MessageTooLargeError(this.limit, known);
    let exact = known;
    let room = exact ?? this.inRing * 2;
    for (;;) {
      if (exact !== undefined && exact > this.limit) throw new MessageTooLargeError(this.limit, exact);
      room = Math.min(room, this.limit);
      if (!waits && !this.#bulk.admitsLong(room)) return undefined;
      const body = this.#bulk.allocate(room);
      if (body === undefined) return undefined;
      const { bytes } = body;
      const blocks: Block[] = [];
      let result: number;
      try {
        result = this.#codec.encode(message, scratchOver(bytes), bytes.byteOffset, blocks);
      } catch (error) {
        body.release();
        throw error;
      }
      if (result >= 0 && result <= room) return { body, bytes: result, blocks };
      body.release();
      if (room === this.limit) throw this.#tooLarge(result);
      exact = result < NO_ROOM ? -result : undefined;
      room = Math.max(room * 2, exact ?? 0);
    }
  }

  /** The error for a message that does not fit the limit, of which the codec returned `result`. */
  #tooLarge(result: number): MessageTooLargeError {
    return new MessageTooLargeError(this.limit, result < NO_ROOM ? -result : undefined);
  }
}

function parcelOf(bytes: number, blocks: Block[]): number | Parcel {
  return blocks.length === 0 ? bytes : { body: undefined, bytes, blocks };
}

/** A scratch that ends where the block does. */
function scratchOver(bytes: Uint8Array): Scratch {
  const scratch = new Scratch(bytes.buffer as ArrayBuffer);
  scratch.length = bytes.byteOffset + bytes.byteLength;
  return scratch;
}

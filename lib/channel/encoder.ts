import type { Block } from "../bulk/block.js";
import { type Codec, NO_ROOM, Scratch } from "../codec/codec.js";
import { EncodeError, MessageTooLargeError } from "../errors.js";
import type { TransportBulk, TransportLane } from "../transport/contract.js";
import { NO_MEMORY, SENT, type SendStatus } from "../transport/records/send-status.js";

/** Bytes of records that are gathered before a batch is published. The receiver works on one batch while the next is being encoded. */
const BATCH_BYTES = 32 * 1024;

/** A message that was not sent yet and carries blocks, or lies in one. */
export interface Parcel {
  /**
   * The block that the message lies in. Undefined: the message stands at the place of the lane. A caller that
   * does not send the body must release it.
   */
  body: Block | undefined;
  /** The bytes of the message. */
  readonly bytes: number;
  /** The blocks that the message carries. */
  readonly blocks: readonly Block[];
}

/** A message in private memory. */
export interface PrivateCopy {
  readonly bytes: Uint8Array;
  readonly blocks: readonly Block[];
}

/** The limits for the length of messages, in bytes as encoded. */
export interface MessageLimits {
  readonly maxMessageBytes: number;
  /** A longer message goes by a block. */
  readonly bulkThreshold: number;
}

/** Encodes the messages of a lane: short ones at its place, long ones into blocks. */
export class Encoder<Send> {
  /** The longest message in bytes. */
  readonly limit: number;
  /** The longest message that goes by the ring, in bytes. */
  readonly inRing: number;
  readonly #lane: TransportLane;
  readonly #bulk: TransportBulk;
  readonly #codec: Codec<Send, unknown>;
  /** An empty list for the blocks of the next message. A list that a codec has put blocks on belongs to that message. */
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
    // With little memory for blocks, or none, blocks are kept for the messages that the ring is too small
    // for.
    const threshold = bulk.limit < lane.maxBytes ? lane.maxBytes : bulkThreshold;
    this.inRing = Math.min(this.limit, lane.maxBytes, threshold);
  }

  /**
   * Encodes a message. Returns its length in bytes if it stands alone at the place, as nearly all messages
   * do. Returns a Parcel for any other, and undefined if there is no memory for it now. `waits`: the message
   * gets a block even if it can't be sent now. Hot.
   */
  encode(message: Send, waits: boolean): number | Parcel | undefined {
    const { scratch, at } = this.#lane.place;
    const blocks = this.#spare ?? [];
    this.#spare = undefined;
    const bytes = this.#codec.encode(message, scratch, at, blocks);
    if (blocks.length === 0) this.#spare = blocks;
    // The comparisons refuse a value that is not a length: a codec of the program's may return one.
    if (bytes >= 0 && bytes <= this.inRing) return parcelOf(bytes, blocks);
    return this.#encodeLong(message, bytes, waits);
  }

  /** Encodes messages from index `from` on, side by side at the place. Returns how many; 0 if the first one must go alone. Hot. */
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
        // The messages before the bad one go out first. The bad one is then the first of the next call, which
        // throws.
        if (next > from) break;
        throw error;
      }
      if (!(bytes >= 0 && bytes <= limit) || blocks.length > 0) break;
      place.pack(bytes);
      next++;
    }
    return next - from;
  }

  /** Sends a message that `encode` returned. If the message does not go out, its body stays the caller's. */
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

  /** Gives a message a body with a copy of its bytes. Returns false if there is no memory for it now. */
  putIntoBlock(parcel: Parcel, bytes: Uint8Array): boolean {
    const body = this.#bulk.allocate(bytes.length);
    if (body === undefined) return false;
    body.bytes.set(bytes);
    parcel.body = body;
    return true;
  }

  /** Encodes a message into private memory, after `encode` found no memory for it. */
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
   * Encodes a message that did not fit the place; `first` is what the codec returned. Makes the place longer,
   * as long as the message may go by the ring, and otherwise takes a block.
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
    // No memory for a block is left now, but the message still fits the ring.
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

  /** Returns the error for a message that exceeds the limit; `result` is what the codec returned. */
  #tooLarge(result: number): MessageTooLargeError {
    return new MessageTooLargeError(this.limit, result < NO_ROOM ? -result : undefined);
  }
}

function parcelOf(bytes: number, blocks: Block[]): number | Parcel {
  return blocks.length === 0 ? bytes : { body: undefined, bytes, blocks };
}

/** Makes a scratch that ends where the block does. */
function scratchOver(bytes: Uint8Array): Scratch {
  const scratch = new Scratch(bytes.buffer as ArrayBuffer);
  scratch.length = bytes.byteOffset + bytes.byteLength;
  return scratch;
}

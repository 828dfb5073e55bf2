import type { Block } from "../bulk/block.js";
import { type Codec, NO_ROOM, Scratch } from "../codec/codec.js";
import { type InlineEncode, inlineOf, NOT_INLINE } from "../codec/inline.js";
import { EncodeError, MessageTooLargeError } from "../errors.js";
import type { TransportBulk, TransportLane } from "../transport/contract.js";
import { RECORD_HEADER, recordBytes } from "../transport/records/record-layout.js";
import { NO_MEMORY, SENT, type SendStatus } from "../transport/records/send-status.js";
import { type MessageLimits, type Parcel, type PrivateCopy, parcelOf, type Rest } from "./parcel.js";

/** Bytes of records that are gathered before a batch is published. The receiver works on one batch while the next is being encoded. */
const BATCH_BYTES = 32 * 1024;

/**
 * Encodes the messages of a lane: short ones at its place, long ones into blocks. Longer than other files: the hot ways are written
 * out, and all ways share which memory a codec writes to now.
 */
export class Encoder<Send> {
  // No #members: see "The straight line" in docs/architecture.md.

  /** The longest message in bytes. */
  readonly limit: number;
  /** The longest message that goes by the ring, in bytes. */
  readonly inRing: number;
  declare private readonly lane: TransportLane;
  declare private readonly bulk: TransportBulk;
  declare private readonly codec: Codec<Send, unknown>;
  /** Sends short messages without the place. It needs no `busy`: it looks for room when it has read the whole message. */
  declare private readonly inline: InlineEncode | undefined;
  /** An empty list for the blocks of the next message. A list that a codec has put blocks on belongs to that message. */
  private blocks: Block[] = [];
  /**
   * The list of the message that `encode` found no memory for. What the codec has made of the message is on it, so that code of
   * the program runs once a message (see codec/kept.ts).
   */
  private unplaced: Block[] | undefined;
  /**
   * The memory that a codec is writing to now. A codec runs code of the program, such as a getter or a toJSON, and
   * that code may send. For such a message the place moves to other memory; what the codec writes follows it there.
   */
  private busy: Scratch | undefined;
  /** How many messages of the present batch went out, and whether all that were packed did. */
  private sent = 0;
  private allSent = true;
  private rest: Rest<Send> | undefined;

  constructor(
    lane: TransportLane,
    bulk: TransportBulk,
    codec: Codec<Send, unknown>,
    { maxMessageBytes, bulkThreshold }: MessageLimits,
  ) {
    this.lane = lane;
    this.bulk = bulk;
    this.codec = codec;
    this.limit = Math.min(maxMessageBytes, Math.max(bulk.limit, lane.maxBytes));
    // With little memory for blocks, or none, blocks are kept for the messages that the ring is too small
    // for.
    const threshold = bulk.limit < lane.maxBytes ? lane.maxBytes : bulkThreshold;
    this.inRing = Math.min(this.limit, lane.maxBytes, threshold);
    const inline = inlineOf(codec);
    this.inline =
      lane.inline !== undefined && inline !== undefined && inline.bytes <= this.inRing
        ? inline.encode
        : undefined;
    if (this.inline !== undefined) lane.inline!.out.expect(inline!.bytes);
  }

  /**
   * Encodes a message. Returns its length in bytes if it stands alone at the place, as nearly all messages
   * do, and GONE if it has gone out already. Returns a Parcel for any other, and undefined if there is no memory for it now. `waits`: the
   * message gets a block even if it can't be sent now. Hot.
   */
  encode(message: Send, waits: boolean): number | Parcel | undefined {
    const { place } = this.lane;
    // Code of the program sends from within encoding.
    if (this.busy !== undefined) return this.encodeWith(message, [], waits);
    const { inline } = this;
    if (inline !== undefined && this.lane.isInline) {
      const bytes = inline(message, this.lane.inline!.out);
      if (bytes !== NOT_INLINE) return bytes;
    }
    // The straight line of `encodeWith`, spelled out and short, so that the engine makes one piece of it and its caller.
    const { scratch, at } = place;
    const blocks = this.blocks;
    let bytes: number;
    this.busy = scratch;
    try {
      bytes = this.codec.encode(message, scratch, at, blocks);
    } catch (error) {
      throw this.failed(error);
    }
    this.busy = undefined;
    // The comparisons refuse a value that is not a length: a codec of the program's may return one.
    if (bytes >= 0 && bytes <= this.inRing && blocks.length === 0 && place.scratch === scratch) return bytes;
    return this.encodeOn(message, bytes, scratch, at, waits);
  }

  private failed(error: unknown): unknown {
    this.busy = undefined;
    this.blocks = [];
    return error;
  }

  /** Goes on with what `encode` has begun, for a message with blocks or without room, or from whose encoding others were sent. */
  private encodeOn(
    message: Send,
    bytes: number,
    scratch: Scratch,
    at: number,
    waits: boolean,
  ): number | Parcel | undefined {
    const blocks = this.blocks;
    this.blocks = [];
    if (this.lane.place.scratch !== scratch) this.follow(scratch, at, bytes);
    if (bytes >= 0 && bytes <= this.inRing) return parcelOf(bytes, blocks);
    return this.encodeLong(message, bytes, blocks, waits);
  }

  /** Drops what is kept of a message that `encode` found no memory for. It is not attempted again. */
  forget(): void {
    this.unplaced = undefined;
  }

  /** As `encode`, for a message that `encode` found no memory for, with nothing encoded in between. */
  encodeAgain(message: Send, waits: boolean): number | Parcel | undefined {
    return this.encodeWith(message, this.unplaced ?? [], waits);
  }

  /**
   * Encodes messages from index `from` on side by side, and publishes them together. Returns how many went out, as
   * its complement (less than 0) if there was no room for all that were encoded. `takeRest` has the message behind
   * them if that one stopped the batch. `waits` as for `encode`. Hot.
   *
   * It is one function on purpose. V8 inlines none of more than 460 bytes of bytecode, so this one is compiled by
   * itself, and all that V8 may inline is left for the codec.
   */
  sendBatch(messages: readonly Send[], from: number, waits: boolean): number {
    const { lane } = this;
    const { place } = lane;
    if (place.packed > 0) this.publish();
    if (place.scratch === this.busy) lane.movePlace();
    const { scratch } = place;
    const { words } = scratch;
    const { inRing, codec, busy, sent, allSent } = this;
    const end = Math.min(scratch.length, BATCH_BYTES);
    const blocks: Block[] = [];
    let rest: Rest<Send> | undefined;
    let { at } = place;
    let packed = 0;
    this.sent = 0;
    this.allSent = true;
    this.rest = undefined;
    // Already when a message is read: an element of the array may be a getter, which sends.
    this.busy = scratch;
    try {
      for (let next = from; next < messages.length && at < end; next++) {
        const message = messages[next]!;
        const bytes = codec.encode(message, scratch, at, blocks);
        // If the place has moved, another message was sent meanwhile. That one may wait for room, and goes first.
        if (place.scratch !== scratch || !(bytes >= 0 && bytes <= inRing) || blocks.length > 0) {
          this.busy = busy;
          if (place.scratch !== scratch) this.follow(scratch, at, bytes);
          rest = this.alone(message, bytes, blocks, waits);
          break;
        }
        words[(at - RECORD_HEADER) >> 2] = bytes;
        at += recordBytes(bytes);
        // The place is kept up to date, for code of the program that sends. It is only written here: a load of what has
        // just been stored would hold up the next message.
        place.at = at;
        place.packed = ++packed;
      }
    } catch (error) {
      rest = { error };
    }
    this.busy = busy;
    if (place.packed > 0) this.publish();
    const count = this.allSent ? this.sent : ~this.sent;
    this.sent = sent;
    this.allSent = allSent;
    this.rest = rest;
    return count;
  }

  /** Returns the message that stopped the last batch, once. It stands at the place until something else is encoded. */
  takeRest(): Rest<Send> | undefined {
    const rest = this.rest;
    this.rest = undefined;
    return rest;
  }

  /** Makes the place usable for a message that is sent while another one is being encoded. */
  freePlace(): void {
    const lane = this.lane;
    if (lane.place.packed > 0) this.publish();
    if (lane.place.scratch === this.busy) lane.movePlace();
  }

  /** Sends a message that `encode` returned. If the message does not go out, its body stays the caller's. */
  send(parcel: Parcel, timeout: number): SendStatus {
    const lane = this.lane;
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
    const body = this.bulk.allocate(bytes.length);
    if (body === undefined) return false;
    body.bytes.set(bytes);
    parcel.body = body;
    return true;
  }

  /** Encodes a message into private memory, after `encode` found no memory for it. */
  encodePrivately(message: Send): PrivateCopy {
    let room = this.inRing * 2;
    const blocks = this.unplaced ?? [];
    this.unplaced = undefined;
    for (;;) {
      room = Math.min(room, this.limit);
      const scratch = new Scratch(new ArrayBuffer(room));
      blocks.length = 0;
      const result = this.codec.encode(message, scratch, 0, blocks);
      if (result >= 0) return { bytes: scratch.buffer.subarray(0, result), blocks };
      if (room === this.limit) throw this.tooLarge(result);
      room = Math.max(room * 2, -result);
    }
  }

  /** Publishes what is packed, and brings the message behind it, which the codec has met already, to the beginning of the place. */
  private alone(message: Send, bytes: number, blocks: Block[], waits: boolean): Rest<Send> | undefined {
    const { place } = this.lane;
    const { at } = place;
    const behind = place.packed > 0;
    if (behind) this.publish();
    if (!this.allSent) return undefined;
    if (bytes >= 0 && bytes <= this.inRing) {
      if (behind) place.scratch.buffer.copyWithin(place.at, at, at + bytes);
      return { message, encoded: parcelOf(bytes, blocks) };
    }
    // Alone the message has more room than behind others.
    const encoded = behind
      ? this.encodeWith(message, blocks, waits)
      : this.encodeLong(message, bytes, blocks, waits);
    return { message, encoded };
  }

  private publish(): void {
    const lane = this.lane;
    const { packed } = lane.place;
    const sent = lane.sendPacked();
    this.sent += sent;
    if (sent < packed) this.allSent = false;
  }

  /** As `encode`, with the list of an earlier attempt. */
  private encodeWith(message: Send, blocks: Block[], waits: boolean): number | Parcel | undefined {
    this.freePlace();
    blocks.length = 0;
    const bytes = this.encodeAtPlace(message, blocks);
    if (bytes >= 0 && bytes <= this.inRing) return parcelOf(bytes, blocks);
    return this.encodeLong(message, bytes, blocks, waits);
  }

  /** Encodes a message behind those that are packed. Returns what the codec returned. Hot. */
  private encodeAtPlace(message: Send, blocks: Block[]): number {
    const { place } = this.lane;
    const { scratch, at } = place;
    const outer = this.busy;
    this.busy = scratch;
    let bytes: number;
    try {
      bytes = this.codec.encode(message, scratch, at, blocks);
    } finally {
      this.busy = outer;
    }
    if (place.scratch !== scratch) this.follow(scratch, at, bytes);
    return bytes;
  }

  /** Brings what a codec wrote to the place, which has moved meanwhile. The place is as long as before, and nothing is packed there. */
  private follow(scratch: Scratch, at: number, bytes: number): void {
    if (!(bytes >= 0 && at + bytes <= scratch.length)) return;
    const { place } = this.lane;
    place.scratch.buffer.set(scratch.buffer.subarray(at, at + bytes), place.at);
  }

  /**
   * Encodes a message that did not fit the place; `first` is what the codec returned. Makes the place longer,
   * as long as the message may go by the ring, and otherwise takes a block.
   */
  private encodeLong(
    message: Send,
    first: number,
    blocks: Block[],
    waits: boolean,
  ): number | Parcel | undefined {
    const lane = this.lane;
    let result = first;
    this.unplaced = undefined;
    while (result < 0) {
      const length = lane.place.scratch.length - lane.place.at;
      const needed = result === NO_ROOM || -result <= length ? length * 2 : -result;
      if (length >= this.inRing || (needed > this.inRing && result !== NO_ROOM)) break;
      lane.grow(Math.min(needed, this.inRing));
      blocks.length = 0;
      result = this.encodeAtPlace(message, blocks);
    }
    if (!Number.isInteger(result)) {
      throw new EncodeError(`the codec ${this.codec.name} returned ${result} for a length`, "");
    }
    if (result >= 0 && result <= this.inRing) return parcelOf(result, blocks);
    const exact = result === NO_ROOM ? undefined : Math.abs(result);
    const inBlock = this.encodeIntoBlock(message, exact, blocks, waits);
    if (inBlock !== undefined) return inBlock;
    if (exact === undefined || exact > Math.min(lane.maxBytes, this.limit)) {
      this.unplaced = blocks;
      return undefined;
    }
    // No memory for a block is left now, but the message still fits the ring.
    lane.grow(exact);
    blocks.length = 0;
    const inRing = this.encodeAtPlace(message, blocks);
    return inRing >= 0 ? parcelOf(inRing, blocks) : undefined;
  }

  private encodeIntoBlock(
    message: Send,
    known: number | undefined,
    blocks: Block[],
    waits: boolean,
  ): Parcel | undefined {
    if (this.bulk.limit < this.lane.maxBytes) throw new MessageTooLargeError(this.limit, known);
    let exact = known;
    let room = exact ?? this.inRing * 2;
    for (;;) {
      if (exact !== undefined && exact > this.limit) throw new MessageTooLargeError(this.limit, exact);
      room = Math.min(room, this.limit);
      if (!waits && !this.bulk.admitsLong(room)) return undefined;
      const body = this.bulk.allocate(room);
      if (body === undefined) return undefined;
      const { bytes } = body;
      blocks.length = 0;
      let result: number;
      try {
        result = this.codec.encode(message, scratchOver(bytes), bytes.byteOffset, blocks);
      } catch (error) {
        body.release();
        throw error;
      }
      if (result >= 0 && result <= room) return { body, bytes: result, blocks };
      body.release();
      if (room === this.limit) throw this.tooLarge(result);
      exact = result < NO_ROOM ? -result : undefined;
      room = Math.max(room * 2, exact ?? 0);
    }
  }

  /** Returns the error for a message that exceeds the limit; `result` is what the codec returned. */
  private tooLarge(result: number): MessageTooLargeError {
    return new MessageTooLargeError(this.limit, result < NO_ROOM ? -result : undefined);
  }
}

/** Makes a scratch that ends where the block does. */
function scratchOver(bytes: Uint8Array): Scratch {
  const scratch = new Scratch(bytes.buffer as ArrayBuffer);
  scratch.length = bytes.byteOffset + bytes.byteLength;
  return scratch;
}

import type { Block } from "../bulk/block.js";
import { type Codec, emptyList, NO_ROOM, Scratch } from "../codec/codec.js";
import { EncodeError, MessageTooLargeError } from "../errors.js";
import {
  NO_MEMORY,
  SENT,
  type SendStatus,
  type TransportBulk,
  type TransportLane,
} from "../transport/contract.js";
import { tabledBytes } from "../transport/records/handle-table.js";
import { IN_BLOCK, RECORD_HEADER, recordBytes, WITH_BLOCKS } from "../transport/records/record-layout.js";

/** What `encode` returns for a message that was encoded into a block. */
const IN_BODY = -1;
/** And for one that would be if there were memory. */
export const NOWHERE = -2;

/** The payload of a record whose message lies in a block: its length. */
const LENGTH_BYTES = 8;

/** A message that lies in a block: its body. */
export interface InBlock {
  readonly body: Block;
  /** Its bytes there. */
  readonly length: number;
  /** The blocks that it carries. */
  readonly blocks: readonly Block[];
}

/** What of a lane's messages does not go by the outbox alone: messages that are longer, and those that carry blocks. */
export class LongMessages<Send> {
  readonly #lane: TransportLane;
  readonly #bulk: TransportBulk;
  readonly #codec: Codec<Send, unknown>;
  /** The longest message in bytes. */
  readonly #limit: number;
  /** The longest that goes by the ring. */
  readonly #inRing: number;
  /** The block that the last message was encoded into, its length there, and the blocks that go with it. */
  #body: Block | undefined;
  #length = 0;
  #blocks: readonly Block[] = [];

  constructor(
    lane: TransportLane,
    bulk: TransportBulk,
    codec: Codec<Send, unknown>,
    limit: number,
    inRing: number,
  ) {
    this.#lane = lane;
    this.#bulk = bulk;
    this.#codec = codec;
    this.#limit = limit;
    this.#inRing = inRing;
  }

  /**
   * The message did not fit the outbox, as `first` says, which the codec returned: makes the outbox longer, as long as what it carries may
   * go by the ring; else takes a block. Returns the length in the outbox, or what `send` understands. `waits`: it is worth a block also
   * if it can't be sent now.
   */
  encode(message: Send, first: number, waits: boolean): number {
    const lane = this.#lane;
    let result = first;
    while (result < 0) {
      const length = lane.outbox.length - RECORD_HEADER;
      const needed = result === NO_ROOM || -result <= length ? length * 2 : -result;
      if (length >= this.#inRing || (needed > this.#inRing && result !== NO_ROOM)) break;
      lane.growOutbox(recordBytes(Math.min(needed, this.#inRing)));
      emptyList(lane.outbox.blocks);
      result = this.#codec.encode(message, lane.outbox, RECORD_HEADER);
    }
    if (!Number.isInteger(result)) {
      throw new EncodeError(`the codec ${this.#codec.name} returned ${result} for a length`, "");
    }
    if (result >= 0 && result <= this.#inRing) return result;
    const exact = result === NO_ROOM ? undefined : Math.abs(result);
    const there = this.#encodeIntoBlock(message, exact, waits);
    if (there !== NOWHERE || exact === undefined || exact > Math.min(lane.maxBytes, this.#limit))
      return there;
    // There is no memory for a block now, but the ring can carry it.
    lane.growOutbox(recordBytes(exact));
    emptyList(lane.outbox.blocks);
    const inRing = this.#codec.encode(message, lane.outbox, RECORD_HEADER);
    return inRing >= 0 ? inRing : NOWHERE;
  }

  #encodeIntoBlock(message: Send, known: number | undefined, waits: boolean): number {
    if (this.#bulk.limit < this.#lane.maxBytes) throw new MessageTooLargeError(this.#limit, known);
    let exact = known;
    let room = exact ?? this.#inRing * 2;
    for (;;) {
      if (exact !== undefined && exact > this.#limit) throw new MessageTooLargeError(this.#limit, exact);
      room = Math.min(room, this.#limit);
      if (!waits && !this.#bulk.admitsLong(room)) return NOWHERE;
      const body = this.#bulk.allocate(room);
      if (body === undefined) return NOWHERE;
      const { bytes } = body;
      const scratch = scratchOver(bytes);
      let result: number;
      try {
        result = this.#codec.encode(message, scratch, bytes.byteOffset);
      } catch (error) {
        body.release();
        throw error;
      }
      if (result >= 0 && result <= room) {
        this.#body = body;
        this.#length = result;
        this.#blocks = scratch.blocks as Block[];
        return IN_BODY;
      }
      body.release();
      if (room === this.#limit)
        throw new MessageTooLargeError(this.#limit, result < NO_ROOM ? -result : undefined);
      exact = result < NO_ROOM ? -result : undefined;
      room = Math.max(room * 2, exact ?? 0);
    }
  }

  /** Sends the message that was encoded last, by `encode` or, together with blocks, into the outbox: `bytes` is what that returned. */
  send(bytes: number, timeout: number): SendStatus {
    const lane = this.#lane;
    if (bytes === NOWHERE) return NO_MEMORY;
    if (bytes === IN_BODY) return this.sendBody(this.#body!, this.#length, this.#blocks, timeout);
    const blocks = lane.outbox.blocks as Block[];
    if (tabledBytes(bytes, blocks.length) <= lane.maxBytes) {
      const status = lane.sendBlocks(WITH_BLOCKS, bytes, blocks, timeout);
      if (status === SENT) emptyList(blocks);
      return status;
    }
    // The payload leaves no room for the table.
    const body = this.#bulk.allocate(bytes);
    if (body === undefined) return NO_MEMORY;
    body.bytes.set(lane.outbox.buffer.subarray(RECORD_HEADER, RECORD_HEADER + bytes));
    this.#body = body;
    this.#length = bytes;
    this.#blocks = [...blocks];
    return this.sendBody(body, bytes, this.#blocks, timeout);
  }

  /** Sends a message that lies in `body`. */
  sendBody(body: Block, length: number, blocks: readonly Block[], timeout: number): SendStatus {
    const { outbox } = this.#lane;
    emptyList(outbox.blocks);
    outbox.view.setUint32(RECORD_HEADER, length, true);
    outbox.view.setUint32(RECORD_HEADER + 4, 0, true);
    try {
      const status = this.#lane.sendBlocks(IN_BLOCK, LENGTH_BYTES, [body, ...blocks], timeout);
      if (status === SENT) this.#body = undefined;
      return status;
    } catch (error) {
      this.drop();
      throw error;
    }
  }

  /** The block that the last message was encoded into, if it was: the caller's from now on. */
  take(): InBlock | undefined {
    const body = this.#body;
    if (body === undefined) return undefined;
    this.#body = undefined;
    const blocks = this.#blocks;
    this.#blocks = [];
    return { body, length: this.#length, blocks };
  }

  /** Gives it back, if there is one. */
  drop(): void {
    this.#body?.release();
    this.#body = undefined;
  }

  /** Encodes a long message into private memory, as there is no block for it now; the scratch is as long as the message. */
  encodePrivately(message: Send): Scratch {
    let room = this.#inRing * 2;
    for (;;) {
      room = Math.min(room, this.#limit);
      const scratch = new Scratch(new ArrayBuffer(room));
      const result = this.#codec.encode(message, scratch, 0);
      if (result >= 0) {
        scratch.length = result;
        return scratch;
      }
      if (room === this.#limit)
        throw new MessageTooLargeError(this.#limit, result < NO_ROOM ? -result : undefined);
      room = Math.max(room * 2, -result);
    }
  }
}

/** A scratch that ends where the block does. */
function scratchOver(bytes: Uint8Array): Scratch {
  const scratch = new Scratch(bytes.buffer as ArrayBuffer);
  scratch.length = bytes.byteOffset + bytes.byteLength;
  return scratch;
}

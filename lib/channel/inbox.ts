import type { Block } from "../bulk/block.js";
import { type Codec, NO_BLOCKS, Scratch } from "../codec/codec.js";
import { inlineOf } from "../codec/inline.js";
import type { Ending } from "../ending.js";
import { CorruptError, DecodeError } from "../errors.js";
import type { BlockingLane, TransportLane } from "../transport/contract.js";
import type { RecordCursor } from "../transport/records/cursor.js";
import {
  IN_BLOCK,
  KIND_SHIFT,
  PLAIN,
  RECORD_HEADER,
  recordBytes,
} from "../transport/records/record-layout.js";
import type { Delivery } from "../transport/records/shipment.js";

/** The number of records to ask the transport for. The transport returns as many as fit its scratch. */
const MOST = 0x7fff_ffff;

/** Private memory for a long message is kept for the next one if it has at most this many bytes. */
const KEPT_BYTES = 1024 * 1024;

/** How often a thread that waits looks into the ring before it lets the addon wait: most answers come within some hundred nanoseconds. */
const LOOKS = 128;

/** The messages that have arrived in a lane, decoded one by one as they are asked for. */
export class Inbox<Receive> {
  // No #members: see "The straight line" in docs/architecture.md.

  /** Messages that could not be decoded. */
  badMessages = 0;
  /** The bytes of each message, if messages are read in the ring; else 0. */
  private inlineBytes = 0;
  declare private readonly lane: TransportLane;
  declare private readonly codec: Codec<never, Receive>;
  declare private readonly ending: Ending;
  /** The records that are being taken. */
  declare private records: RecordCursor;
  /** Whether the lane is about to go and is not read any more. Its rest has then been saved. */
  private over = false;
  /** `saved`: records that come after those at the cursor. `deliveries`: what came with each saved record that is not plain, in order. */
  private readonly saved: RecordCursor[] = [];
  private readonly deliveries: (Delivery | undefined)[] = [];
  /**
   * The memory that a codec is reading now. A codec may run code of the program, such as a schema, and that code may
   * receive: records that are drained meanwhile go into other memory.
   */
  private reading: Scratch | undefined;
  /** The private memory that long messages are decoded from. */
  private long: Scratch | undefined;
  /** The block of a long message that the program reads in place, until the next message. */
  private lookedAt: Block | undefined;
  /** The errors of a batch's messages that could not be decoded. */
  private readonly bad: unknown[] = [];

  constructor(lane: TransportLane, codec: Codec<never, Receive>, ending: Ending) {
    this.lane = lane;
    this.codec = codec;
    this.ending = ending;
    this.records = lane.records;
    const inline = inlineOf(codec);
    if (lane.inline === undefined || inline === undefined || !inline.decodes) return;
    this.inlineBytes = inline.bytes;
    lane.inline.incoming.expect(inline.bytes);
  }

  /** The number of messages that can be taken without asking the transport. */
  get count(): number {
    return this.records.left;
  }

  /** The bytes of those, with headers. */
  get bytes(): number {
    return this.records.leftBytes;
  }

  /** Asks the transport for messages if there are none. Returns whether there is one now. */
  fill(): boolean {
    if (this.records.left > 0) return true;
    if (this.lookedAt !== undefined) this.lookAway();
    if (this.over) return this.fillFromSaved();
    if (this.reading !== undefined) this.spareReader();
    return this.lane.drain(MOST) > 0;
  }

  /** Returns the next message, or undefined if there is none now. Throws if the message can't be decoded. Hot. */
  tryNext(): Receive | undefined {
    const bytes = this.inlineBytes;
    if (bytes > 0 && this.records.left === 0 && this.lane.isInline) {
      const { incoming } = this.lane.inline!;
      const at = incoming.take(bytes);
      if (at > 0) return this.decodeInRing(incoming.data, at, bytes);
      if (at === 0 && this.lane.foundNothing()) return undefined;
    }
    return this.fillSome() ? this.next() : undefined;
  }

  /** Like `tryNext`, but looks for about half a microsecond, and in the ring only. */
  lookInRing(): Receive | undefined {
    const bytes = this.inlineBytes;
    if (bytes === 0 || this.records.left > 0) return undefined;
    const { incoming } = this.lane.inline!;
    for (let looks = LOOKS; looks > 0; looks--) {
      const at = incoming.take(bytes);
      if (at > 0) return this.decodeInRing(incoming.data, at, bytes);
      if (at < 0) break;
    }
    return undefined;
  }

  /** Runs no code of the program, so nothing is received meanwhile. */
  private decodeInRing(ring: Scratch, at: number, bytes: number): Receive {
    try {
      return this.codec.decode(ring, at, bytes, NO_BLOCKS);
    } catch (error) {
      throw this.failed(error, this.reading);
    }
  }

  /** Like `fill`, but the transport may leave messages for the next call. */
  private fillSome(): boolean {
    if (this.records.left > 0) return true;
    if (this.lookedAt !== undefined) this.lookAway();
    if (this.over || this.reading !== undefined) return this.fill();
    return this.lane.drainSome() > 0;
  }

  /** Like `fill`, but blocks the thread for up to `timeout` ms until there is a message. */
  fillSync(lane: BlockingLane, timeout: number): boolean {
    if (this.records.left > 0) return true;
    if (this.lookedAt !== undefined) this.lookAway();
    if (this.over) return this.fillFromSaved();
    if (this.reading !== undefined) this.spareReader();
    return lane.drainWait(MOST, timeout) > 0;
  }

  /** Returns the next message; `count` must not be 0. Throws if the message can't be decoded. Hot. */
  next(): Receive {
    const records = this.records;
    records.next();
    if (this.lookedAt !== undefined) this.lookAway();
    const outer = this.reading;
    this.reading = records.scratch;
    try {
      const message =
        records.kind === PLAIN
          ? this.codec.decode(records.scratch, records.at, records.bytes, NO_BLOCKS)
          : this.decodeDelivery(records);
      this.reading = outer;
      return message;
    } catch (error) {
      throw this.failed(error, outer);
    }
  }

  private failed(error: unknown, outer: Scratch | undefined): unknown {
    this.reading = outer;
    this.badMessages++;
    return error;
  }

  /** Returns up to `max` of `count` messages, or none if all were bad. Calls `bad` for each bad one. Hot. */
  takeMany(max: number, bad: (error: unknown) => void): Receive[] {
    const records = this.records;
    const codec = this.codec;
    const outer = this.reading;
    const count = Math.min(records.left, max);
    const messages = new Array<Receive>(count);
    let taken = 0;
    if (this.lookedAt !== undefined) this.lookAway();
    // The cursor is only written here: a load of what has just been stored would hold up the next message.
    let { scratch, left, ahead } = records;
    this.reading = scratch;
    for (let more = count; more > 0 && left > 0; more--) {
      const { words } = scratch;
      const word = ahead >> 2;
      const at = ahead + RECORD_HEADER;
      const bytes = words[word]!;
      ahead += recordBytes(bytes);
      try {
        if (words[word + 1]! >>> KIND_SHIFT === PLAIN) {
          records.pass(--left, ahead);
          messages[taken] = codec.decode(scratch, at, bytes, NO_BLOCKS);
        } else {
          records.next();
          messages[taken] = this.decodeDelivery(records);
        }
        taken++;
      } catch (error) {
        this.badMessages++;
        this.bad.push(error);
      }
      if (records.left === left && records.scratch === scratch) continue;
      // The record was not plain, or the codec has run code of the program, which received, or ended the channel.
      ({ scratch, left, ahead } = records);
      this.reading = scratch;
    }
    this.reading = outer;
    messages.length = taken;
    // The errors are reported last, when the inbox is consistent again: a listener may do anything, even
    // receive.
    if (this.bad.length > 0) for (const error of this.bad.splice(0)) bad(error);
    return messages;
  }

  /** Copies the records that the transport still has, because the transport is about to go. */
  save(): void {
    this.over = true;
    this.inlineBytes = 0;
    const { records } = this.lane;
    if (this.reading !== undefined) this.spareReader();
    do if (records.left > 0) this.keep(records.splitOff());
    while (this.lane.drain(MOST) > 0);
    this.fillFromSaved();
  }

  /** Drops what has arrived and was not taken. */
  drop(): void {
    this.lookAway();
    this.over = true;
    this.inlineBytes = 0;
    this.records.skip();
    this.saved.length = 0;
    for (const delivery of this.deliveries.splice(0)) {
      delivery?.body?.release();
      if (delivery !== undefined) releaseAll(delivery.blocks);
    }
  }

  /** Releases the block of the last message, which the program no longer reads. The next message may need that memory to arrive. */
  lookAway(): void {
    this.lookedAt?.release();
    this.lookedAt = undefined;
  }

  /** Lets a codec that is reading go on with the memory that it reads. What is drained next goes elsewhere. */
  private spareReader(): void {
    if (this.reading === this.records.scratch) this.lane.moveRecords();
  }

  /** Saves records, and takes their blocks now: later the transport can't make them any more. */
  private keep(records: RecordCursor): void {
    const count = records.left;
    while (records.next()) {
      if (records.kind !== PLAIN) this.deliveries.push(this.lane.takeBlocks(records));
    }
    records.begin(count);
    this.saved.push(records);
  }

  private fillFromSaved(): boolean {
    const saved = this.saved.shift();
    if (saved === undefined) return false;
    this.records = saved;
    return true;
  }

  /**
   * Decodes the message at the cursor, which comes with blocks or lies in one. Blocks that the program did
   * not get are released in every case.
   */
  private decodeDelivery(records: RecordCursor): Receive {
    const delivery = this.over ? this.deliveries.shift() : this.lane.takeBlocks(records);
    if (delivery === undefined)
      throw this.ending.error ?? new CorruptError("a message came with malformed blocks");
    const { bytes, blocks } = delivery;
    try {
      return records.kind === IN_BLOCK
        ? this.decodeLong(delivery)
        : this.codec.decode(records.scratch, records.at, bytes, blocks);
    } finally {
      releaseAll(blocks);
    }
  }

  /** Decodes the message in the first `bytes` bytes of the delivery's body. */
  private decodeLong({ body, bytes: length, blocks }: Delivery): Receive {
    const { opaque, inPlace } = this.codec;
    if (body === undefined) throw new DecodeError("a long message came without its block", "");
    try {
      const { bytes } = body;
      if (length < 0 || length > bytes.length)
        throw new DecodeError("a long message has an impossible length", "");
      if (opaque === true || inPlace === true) {
        const scratch = new Scratch(bytes.buffer as ArrayBuffer);
        const message = this.codec.decode(scratch, bytes.byteOffset, length, blocks);
        if (inPlace === true) {
          this.lookAway();
          this.lookedAt = body;
        }
        return message;
      }
      // The message is decoded from a copy, because the peer may write to the block meanwhile.
      const scratch = this.longScratch(length);
      scratch.buffer.set(bytes.subarray(0, length));
      const message = this.codec.decode(scratch, 0, length, blocks);
      if (scratch.length <= KEPT_BYTES) this.long = scratch;
      return message;
    } finally {
      if (body !== this.lookedAt) body.release();
    }
  }

  /** Returns private memory, which is nobody else's until it is kept again. */
  private longScratch(length: number): Scratch {
    const kept = this.long;
    this.long = undefined;
    if (kept !== undefined && kept.length >= length) return kept;
    return new Scratch(new ArrayBuffer(Math.ceil(length / 4096) * 4096));
  }
}

function releaseAll(blocks: (Block | undefined)[]): void {
  for (const block of blocks) block?.release();
}

import type { Block } from "../bulk/block.js";
import { type Codec, NO_BLOCKS, Scratch } from "../codec/codec.js";
import type { Ending } from "../ending.js";
import { CorruptError, DecodeError } from "../errors.js";
import type { BlockingLane, TransportLane } from "../transport/contract.js";
import type { RecordCursor } from "../transport/records/cursor.js";
import { IN_BLOCK, PLAIN } from "../transport/records/record-layout.js";
import type { Delivery } from "../transport/records/shipment.js";

/** Records to ask the transport for at once; it returns as many as fit its scratch. */
const MOST = 0x7fff_ffff;

/** Private memory for long messages is kept for the next one up to this many bytes. */
const KEPT_BYTES = 1024 * 1024;

/** The messages that have arrived in a lane, decoded one by one as they are asked for. */
export class Inbox<Receive> {
  /** Messages that could not be decoded. */
  badMessages = 0;
  readonly #lane: TransportLane;
  readonly #codec: Codec<never, Receive>;
  readonly #ending: Ending;
  /** The records that are being taken. */
  #records: RecordCursor;
  /** Whether the lane is read no more, because it is about to go: then the rest has been saved. */
  #over = false;
  /** Records saved after those at the cursor, and what came with those of them that are not plain, in order. */
  readonly #saved: RecordCursor[] = [];
  readonly #deliveries: (Delivery | undefined)[] = [];
  /** Where long messages are decoded from. */
  #long: Scratch | undefined;
  /** The block of a long message that the program looks at, until the next message. */
  #lookedAt: Block | undefined;
  /** Why messages of a batch could not be decoded. */
  readonly #bad: unknown[] = [];

  constructor(lane: TransportLane, codec: Codec<never, Receive>, ending: Ending) {
    this.#lane = lane;
    this.#codec = codec;
    this.#ending = ending;
    this.#records = lane.records;
  }

  /** Messages that can be taken without a look for more. */
  get count(): number {
    return this.#records.left;
  }

  /** Whether there is a message, after a look for one. */
  fill(): boolean {
    if (this.#records.left > 0) return true;
    if (this.#lookedAt !== undefined) this.lookAway();
    return this.#over ? this.#fillFromSaved() : this.#lane.drain(MOST) > 0;
  }

  /** As `fill`, but blocks the thread up to `timeout` ms until there is one. */
  fillSync(lane: BlockingLane, timeout: number): boolean {
    if (this.#records.left > 0) return true;
    if (this.#lookedAt !== undefined) this.lookAway();
    return this.#over ? this.#fillFromSaved() : lane.drainWait(MOST, timeout) > 0;
  }

  /** The next message; `count` must not be 0. Throws where it can't be decoded. Hot. */
  next(): Receive {
    const records = this.#records;
    records.next();
    if (this.#lookedAt !== undefined) this.lookAway();
    try {
      if (records.kind !== PLAIN) return this.#decodeDelivery(records);
      return this.#codec.decode(records.scratch, records.at, records.bytes, NO_BLOCKS);
    } catch (error) {
      this.badMessages++;
      throw error;
    }
  }

  /** Up to `max` of `count` messages; possibly none, if all were bad: `bad` is told of each. Hot. */
  takeMany(max: number, bad: (error: unknown) => void): Receive[] {
    const records = this.#records;
    const { scratch } = records;
    const codec = this.#codec;
    const count = Math.min(records.left, max);
    const messages = new Array<Receive>(count);
    let taken = 0;
    if (this.#lookedAt !== undefined) this.lookAway();
    // A codec may run code of the program, which may end the channel: then there is no next record.
    for (let left = count; left > 0 && records.next(); left--) {
      try {
        messages[taken] =
          records.kind === PLAIN
            ? codec.decode(scratch, records.at, records.bytes, NO_BLOCKS)
            : this.#decodeDelivery(records);
        taken++;
      } catch (error) {
        this.badMessages++;
        this.#bad.push(error);
      }
    }
    messages.length = taken;
    // Told when all is in order again: a listener may do anything, also receive.
    if (this.#bad.length > 0) for (const error of this.#bad.splice(0)) bad(error);
    return messages;
  }

  /** Copies what the transport still has, for it is about to go. */
  save(): void {
    this.#over = true;
    const { records } = this.#lane;
    do if (records.left > 0) this.#keep(records.splitOff());
    while (this.#lane.drain(MOST) > 0);
    this.#fillFromSaved();
  }

  /** What has arrived and was not taken is not wanted any more. */
  drop(): void {
    this.lookAway();
    this.#over = true;
    this.#records.skip();
    this.#saved.length = 0;
    for (const delivery of this.#deliveries.splice(0)) {
      delivery?.body?.release();
      if (delivery !== undefined) releaseAll(delivery.blocks);
    }
  }

  /** The program does not look at the last message any more: its block goes back, without which the next may have no memory to come in. */
  lookAway(): void {
    this.#lookedAt?.release();
    this.#lookedAt = undefined;
  }

  /** Takes the blocks now, as only now the transport can make them. */
  #keep(records: RecordCursor): void {
    const count = records.left;
    while (records.next()) {
      if (records.kind !== PLAIN) this.#deliveries.push(this.#lane.takeBlocks(records));
    }
    records.begin(count);
    this.#saved.push(records);
  }

  #fillFromSaved(): boolean {
    const saved = this.#saved.shift();
    if (saved === undefined) return false;
    this.#records = saved;
    return true;
  }

  /** The message at the cursor, which comes with blocks or lies in one. Whatever happens, blocks that nobody got are released. */
  #decodeDelivery(records: RecordCursor): Receive {
    const delivery = this.#over ? this.#deliveries.shift() : this.#lane.takeBlocks(records);
    if (delivery === undefined)
      throw this.#ending.error ?? new CorruptError("a message came with malformed blocks");
    const { bytes, blocks } = delivery;
    try {
      return records.kind === IN_BLOCK
        ? this.#decodeLong(delivery)
        : this.#codec.decode(records.scratch, records.at, bytes, blocks);
    } finally {
      releaseAll(blocks);
    }
  }

  /** The message in the first `bytes` bytes of its body. */
  #decodeLong({ body, bytes: length, blocks }: Delivery): Receive {
    const { opaque, inPlace } = this.#codec;
    if (body === undefined) throw new DecodeError("a long message came without its block", "");
    try {
      const { bytes } = body;
      if (length < 0 || length > bytes.length)
        throw new DecodeError("a long message has an impossible length", "");
      if (opaque === true || inPlace === true) {
        const scratch = new Scratch(bytes.buffer as ArrayBuffer);
        const message = this.#codec.decode(scratch, bytes.byteOffset, length, blocks);
        if (inPlace === true) {
          this.lookAway();
          this.#lookedAt = body;
        }
        return message;
      }
      // A copy of its own: the peer may write there while it is decoded.
      const scratch = this.#longScratch(length);
      scratch.buffer.set(bytes.subarray(0, length));
      return this.#codec.decode(scratch, 0, length, blocks);
    } finally {
      if (body !== this.#lookedAt) body.release();
    }
  }

  #longScratch(length: number): Scratch {
    if (this.#long !== undefined && this.#long.length >= length) return this.#long;
    const scratch = new Scratch(new ArrayBuffer(Math.ceil(length / 4096) * 4096));
    if (length <= KEPT_BYTES) this.#long = scratch;
    return scratch;
  }
}

function releaseAll(blocks: (Block | undefined)[]): void {
  for (const block of blocks) block?.release();
}

import { Scratch } from "../../codec/codec.js";
import type { Wire } from "../wire/wire.js";
import type { Parcel, StreamBulk } from "./stream-bulk.js";
import type { FrameWriter } from "./writer.js";

/** Bytes of blocks that go to the wire at once; what other lanes have to say comes in between. */
const CHUNK_BYTES = 64 * 1024;
/** So many times in one turn of the event loop at most, however fast the kernel takes them. */
const STEPS_A_TURN = 16;

/** A message with blocks on its way to the wire: the blocks, chunk by chunk, and then its record. */
export class Outgoing {
  readonly #lane: number;
  readonly #bulk: StreamBulk;
  readonly #parcels: readonly Parcel[];
  /** The record, at offset 0. */
  #record: Scratch;
  readonly #recordBytes: number;
  readonly #whenDone: () => void;
  /** The parcel that is being written, and how much of it is; -1: it was not begun. */
  #index = 0;
  #at = -1;

  /** `whenDone`: all of it is with the wire. */
  constructor(
    lane: number,
    bulk: StreamBulk,
    parcels: readonly Parcel[],
    record: Scratch,
    recordBytes: number,
    whenDone: () => void,
  ) {
    this.#lane = lane;
    this.#bulk = bulk;
    this.#parcels = parcels;
    this.#record = record;
    this.#recordBytes = recordBytes;
    this.#whenDone = whenDone;
  }

  /** Whether one step is enough. */
  get isShort(): boolean {
    return this.#parcels.reduce((sum, { content }) => sum + content, 0) <= CHUNK_BYTES;
  }

  /** Copies the record, whose scratch will be used for something else. */
  keepRecord(): void {
    const memory = new ArrayBuffer(this.#recordBytes);
    const record = new Scratch(memory);
    this.#record.buffer.copy(record.buffer, 0, 0, this.#recordBytes);
    this.#record = record;
  }

  /** Writes up to CHUNK_BYTES of the blocks, and the record if these were the last. Whether all is written. */
  step(writer: FrameWriter): boolean {
    let left = CHUNK_BYTES;
    for (let parcel = this.#parcels[this.#index]; parcel !== undefined; parcel = this.#parcels[this.#index]) {
      const { content } = parcel;
      if (this.#at < 0) {
        writer.block(this.#lane, parcel.id, parcel.flags, parcel.length);
        this.#at = 0;
      }
      const bytes = Math.min(left, content - this.#at);
      if (bytes > 0) writer.chunk(this.#lane, parcel.bytes.subarray(this.#at, this.#at + bytes));
      left -= bytes;
      this.#at += bytes;
      if (this.#at < content) return false;
      this.#bulk.written(parcel);
      this.#index++;
      this.#at = -1;
    }
    writer.records(this.#record, this.#recordBytes);
    for (const parcel of this.#parcels) this.#bulk.told(parcel);
    this.#whenDone();
    return true;
  }

  /** It will not be written. */
  abandon(): void {
    for (const parcel of this.#parcels.slice(this.#index)) this.#bulk.abandon(parcel);
  }
}

/** Messages with blocks on their way to the wire, in the order of their turns; at most one of each lane. */
export class OutgoingQueue {
  readonly #wire: Wire;
  readonly #writer: FrameWriter;
  readonly #goOn: () => void;
  readonly #messages: Outgoing[] = [];
  #scheduled = false;

  /** `goOn` is called when the next turn of the event loop is there to go on in: it is to call `advance(true)`. */
  constructor(wire: Wire, writer: FrameWriter, goOn: () => void) {
    this.#wire = wire;
    this.#writer = writer;
    this.#goOn = goOn;
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  add(message: Outgoing): void {
    message.keepRecord();
    this.#messages.push(message);
  }

  /**
   * Writes as long as the kernel takes it, but not for ever: then it is to be called when the wire has drained, or `goOn` is called. `force`:
   * writes something in any case, so that what other lanes send all the time does not keep blocks back for ever.
   * Returns whether all is with the wire.
   */
  advance(force: boolean): boolean {
    const messages = this.#messages;
    for (let steps = 0; messages.length > 0; steps++) {
      if (this.#wire.buffered > 0 && (steps > 0 || !force)) return false;
      if (steps === STEPS_A_TURN) {
        this.#schedule();
        return false;
      }
      const message = messages.shift()!;
      if (!message.step(this.#writer)) messages.push(message);
      this.#writer.flush();
    }
    return true;
  }

  /** Nothing goes out any more. */
  abandon(): void {
    for (const message of this.#messages.splice(0)) message.abandon();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#goOn();
    });
  }
}

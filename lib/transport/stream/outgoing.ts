import { type Block, forget, leaseOf } from "../../bulk/block.js";
import type { Lease } from "../../bulk/lease.js";
import { Scratch } from "../../codec/codec.js";
import type { Handle } from "../records/handle-table.js";
import type { Shipment } from "../records/shipment.js";
import { BLOCK, SEALED, SHARED } from "./frame-layout.js";
import type { BlocksMessage } from "./outlet.js";
import type { Tally } from "./tally.js";
import { type FrameWriter, u64 } from "./writer.js";

/** The bytes of blocks that one step writes. Frames of other lanes come in between. */
const STEP_BYTES = 64 * 1024;

/** The counts of the side that sends. */
export interface Departing {
  /** A block is sent: takes its bytes away from the program. */
  departs(lease: Lease): void;
  /** The blocks of a message count as lent. */
  sends(load: Tally): void;
  /** Reports what was released since the last report. */
  report(): void;
  /** The record of the message is written: the peer may release its blocks. */
  tells(load: Tally): void;
}

/** A message with blocks: first the blocks go to the wire, piece by piece, and then the record. */
export class Outgoing implements Shipment, BlocksMessage {
  /** The record has no handles: the blocks come before it. */
  readonly handles: readonly Handle[] = [];
  readonly count = 0;
  readonly #bulk: Departing;
  readonly #blocks: readonly Block[];
  /** All of the blocks together. */
  readonly #load: Tally;
  /** The leases of the blocks. Each is released when the wire has its bytes. */
  #leases: readonly Lease[] = [];
  #lane = 0;
  #record: Scratch | undefined;
  #recordBytes = 0;
  #whenDone: (() => void) | undefined;
  /** The index of the block that is being written, and how many of its bytes are; -1 before its BLOCK frame. */
  #index = 0;
  #at = -1;

  constructor(bulk: Departing, blocks: readonly Block[], load: Tally) {
    this.#bulk = bulk;
    this.#blocks = blocks;
    this.#load = load;
  }

  commit(): void {
    this.#leases = this.#blocks.map((block) => {
      const lease = leaseOf(block);
      forget(block);
      this.#bulk.departs(lease);
      return lease;
    });
    this.#bulk.sends(this.#load);
  }

  abandon(): void {
    // Nothing was done to the blocks yet.
  }

  /** The record is the first `bytes` bytes of a scratch. `whenDone` is called when the wire has the whole message. */
  goWith(lane: number, record: Scratch, bytes: number, whenDone: () => void): void {
    this.#lane = lane;
    this.#record = record;
    this.#recordBytes = bytes;
    this.#whenDone = whenDone;
  }

  keep(): void {
    const record = new Scratch(new ArrayBuffer(this.#recordBytes));
    this.#record!.buffer.copy(record.buffer, 0, 0, this.#recordBytes);
    this.#record = record;
  }

  get isShort(): boolean {
    return this.#load.bytes <= STEP_BYTES;
  }

  /** Writes up to STEP_BYTES of the blocks, and the record after the last of them. Returns whether all is written. */
  step(writer: FrameWriter): boolean {
    let left = STEP_BYTES;
    for (; this.#index < this.#leases.length; this.#index++, this.#at = -1) {
      const lease = this.#leases[this.#index]!;
      const { bytes, length } = lease;
      if (this.#at < 0) {
        const flags = (lease.sealed ? SEALED : 0) | (lease.shared ? SHARED : 0);
        writer.frame(BLOCK, this.#lane, [...u64(length), flags, 0]);
        this.#at = 0;
      }
      const part = Math.min(left, length - this.#at);
      if (part > 0) writer.chunk(this.#lane, bytes.subarray(this.#at, this.#at + part));
      left -= part;
      this.#at += part;
      if (this.#at < length) return false;
      lease.release();
    }
    // When a block of the peer's goes back, the peer has the credit for it again before it has the message.
    this.#bulk.report();
    writer.records(this.#record!, this.#recordBytes);
    this.#bulk.tells(this.#load);
    this.#whenDone!();
    return true;
  }

  cut(): void {
    for (const lease of this.#leases.slice(this.#index)) lease.release();
  }
}

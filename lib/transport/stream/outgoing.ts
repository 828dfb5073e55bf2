import { type Block, forget, leaseOf } from "../../bulk/block.js";
import type { Lease } from "../../bulk/lease.js";
import { Scratch } from "../../codec/codec.js";
import type { Handle } from "../records/handle-table.js";
import type { Shipment } from "../records/shipment.js";
import { BLOCK, SEALED, SHARED } from "./frame-layout.js";
import type { StreamBulk } from "./stream-bulk.js";
import type { Tally } from "./tally.js";
import { type FrameWriter, u64 } from "./writer.js";

/** Bytes of blocks that go to the wire at once; what other lanes have to say comes in between. */
const CHUNK_BYTES = 64 * 1024;

/** A message with blocks on its way to the wire: the blocks, chunk by chunk, and then the record. */
export class Outgoing implements Shipment {
  /** None: the blocks go ahead of the record. */
  readonly handles: readonly Handle[] = [];
  readonly count = 0;
  readonly #bulk: StreamBulk;
  readonly #blocks: readonly Block[];
  /** All of the blocks together. */
  readonly #load: Tally;
  /** Those of the blocks, to be released when the bytes are with the wire. */
  #leases: readonly Lease[] = [];
  #lane = 0;
  #record: Scratch | undefined;
  #whenDone: (() => void) | undefined;
  /** The block that is being written, and how much of it is; -1: it was not begun. */
  #index = 0;
  #at = -1;

  constructor(bulk: StreamBulk, blocks: readonly Block[], load: Tally) {
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

  /** The record that goes along: `bytes` bytes at offset 0 of a scratch, which are copied. `whenDone`: all of it is with the wire. */
  goWith(lane: number, scratch: Scratch, bytes: number, whenDone: () => void): void {
    this.#lane = lane;
    this.#record = new Scratch(new ArrayBuffer(bytes));
    scratch.buffer.copy(this.#record.buffer, 0, 0, bytes);
    this.#whenDone = whenDone;
  }

  /** Whether one step is enough. */
  get isShort(): boolean {
    return this.#load.bytes <= CHUNK_BYTES;
  }

  /** Writes up to CHUNK_BYTES of the blocks, and the record if these were the last. Whether all is written. */
  step(writer: FrameWriter): boolean {
    let left = CHUNK_BYTES;
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
    // Blocks of the peer's that go back are free for it to send others when the message comes, as they would be in shared memory.
    this.#bulk.report();
    writer.records(this.#record!, this.#record!.length);
    this.#bulk.tells(this.#load);
    this.#whenDone!();
    return true;
  }

  /** The rest will not be written. */
  cut(): void {
    for (const lease of this.#leases.slice(this.#index)) lease.release();
  }
}

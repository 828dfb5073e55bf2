import { tabledBytes } from "../records/handle-table.js";
import { Breach } from "./breach.js";
import type { Arrival, StreamBulk } from "./stream-bulk.js";

/**
 * The blocks that arrive in a lane: at most one that is incomplete, complete ones that wait for their record,
 * and those of records that have arrived. Methods that check what the peer sends throw a Breach.
 */
export class Arrivals {
  readonly #bulk: StreamBulk;
  readonly #maxBytes: number;
  #part: Arrival | undefined;
  #whole: Arrival[] = [];
  readonly #messages: Arrival[][] = [];

  /** `maxBytes`: the lane's. As many blocks go with a record as in shared memory. */
  constructor(bulk: StreamBulk, maxBytes: number) {
    this.#bulk = bulk;
    this.#maxBytes = maxBytes;
  }

  /** Whether a block has come and its record has not. */
  get waiting(): boolean {
    return this.#part !== undefined || this.#whole.length > 0;
  }

  begin(length: number, flags: number): void {
    const count = this.#whole.length;
    if (this.#part !== undefined) throw new Breach("a block began before the last one was complete");
    if (tabledBytes(0, count + 1) > this.#maxBytes)
      throw new Breach(`more than ${count} blocks came for one record`);
    const arrival = this.#bulk.begins(length, flags);
    if (length === 0) this.#whole.push(arrival);
    else this.#part = arrival;
  }

  /** Checks that a chunk of `length` bytes may come. */
  chunk(length: number): void {
    const missing = this.#part === undefined ? 0 : this.#part.bytes.length - this.#part.have;
    if (length > 0 && length <= missing) return;
    throw new Breach(`a chunk of ${length} bytes came for a block that lacks ${missing}`);
  }

  /** Adds bytes of a chunk. */
  add(bytes: Uint8Array, from: number, to: number): void {
    const part = this.#part!;
    part.bytes.set(bytes.subarray(from, to), part.have);
    part.have += to - from;
    if (part.have < part.bytes.length) return;
    this.#part = undefined;
    this.#whole.push(part);
  }

  /** Checks that a record with blocks, or without, may come. */
  record(withBlocks: boolean): void {
    if (this.#part === undefined && withBlocks === this.waiting) return;
    const blocks = `${this.#whole.length} complete blocks${this.#part === undefined ? "" : " and an incomplete one"}`;
    throw new Breach(`a record with${withBlocks ? "" : "out"} blocks came after ${blocks}`);
  }

  /** The record with the complete blocks is here. */
  message(): void {
    this.#messages.push(this.#whole);
    this.#whole = [];
  }

  /** Takes the blocks of the oldest record that has some. */
  next(): readonly Arrival[] | undefined {
    return this.#messages.shift();
  }

  /** Gives up the blocks whose record will not come. */
  cut(): void {
    if (this.#part !== undefined) this.#whole.push(this.#part);
    for (const arrival of this.#whole.splice(0)) this.#bulk.refuse(arrival);
    this.#part = undefined;
  }

  /** Gives up the blocks of records that nobody will take. */
  clear(): void {
    for (const arrival of this.#messages.splice(0).flat()) this.#bulk.refuse(arrival);
  }
}

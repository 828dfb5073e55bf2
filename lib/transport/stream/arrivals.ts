import { Breach } from "./breach.js";
import type { Arrival, StreamBulk } from "./stream-bulk.js";

/**
 * The blocks that arrive in a lane: at most one of which a part is here, whole ones that wait for their record, and those of records that
 * have arrived. Methods about what the peer sends throw a Breach.
 */
export class Arrivals {
  readonly #bulk: StreamBulk;
  /** As many as a record can tell of. */
  readonly #most: number;
  #part: Arrival | undefined;
  #whole: Arrival[] = [];
  readonly #messages: Arrival[][] = [];

  constructor(bulk: StreamBulk, most: number) {
    this.#bulk = bulk;
    this.#most = most;
  }

  /** Whether blocks have come whose record has not. */
  get waiting(): boolean {
    return this.#part !== undefined || this.#whole.length > 0;
  }

  begin(length: number, flags: number): void {
    if (this.#part !== undefined) throw new Breach("a block began before the one before it was whole");
    if (this.#whole.length >= this.#most)
      throw new Breach(`more than ${this.#most} blocks came for one record`);
    const arrival = this.#bulk.begins(length, flags);
    if (length === 0) this.#whole.push(arrival);
    else this.#part = arrival;
  }

  /** A chunk of `length` bytes comes, for `add`. */
  chunk(length: number): void {
    const missing = this.#part === undefined ? 0 : this.#part.bytes.length - this.#part.have;
    if (length > 0 && length <= missing) return;
    throw new Breach(`a chunk of ${length} bytes came for a block that lacks ${missing}`);
  }

  add(chunk: Uint8Array, from: number, to: number): void {
    const part = this.#part!;
    part.bytes.set(chunk.subarray(from, to), part.have);
    part.have += to - from;
    if (part.have < part.bytes.length) return;
    this.#part = undefined;
    this.#whole.push(part);
  }

  /** A record begins, with blocks or without. */
  record(withBlocks: boolean): void {
    if (this.#part === undefined && withBlocks === this.waiting) return;
    const whole = this.#part === undefined ? "whole" : "begun";
    throw new Breach(
      `a record with${withBlocks ? "" : "out"} blocks came where ${this.#whole.length} were ${whole}`,
    );
  }

  /** A record with blocks is here. */
  message(): void {
    this.#messages.push(this.#whole);
    this.#whole = [];
  }

  /** The blocks of the oldest record that were not asked for. */
  next(): readonly Arrival[] | undefined {
    return this.#messages.shift();
  }

  /** Their records will not come any more. */
  cut(): void {
    if (this.#part !== undefined) this.#whole.push(this.#part);
    for (const arrival of this.#whole.splice(0)) this.#bulk.refuse(arrival);
    this.#part = undefined;
  }

  /** What has come is not wanted. */
  clear(): void {
    for (const arrival of this.#messages.splice(0).flat()) this.#bulk.refuse(arrival);
  }
}

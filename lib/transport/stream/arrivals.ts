import type { Arrival, StreamBulk } from "./stream-bulk.js";

/**
 * The blocks that arrive in a lane: at most one of which a part is here, whole ones that wait for their record, and those of records that
 * have arrived. Methods that return a text say what is wrong with what the peer sent, if something is.
 */
export class Arrivals {
  readonly #bulk: StreamBulk;
  /** As many as a record can tell of. */
  readonly #most: number;
  #part: Arrival | undefined;
  #whole: Arrival[] = [];
  readonly #messages: Arrival[][] = [];
  /** Whether blocks have come whose record has not. */
  waiting = false;

  constructor(bulk: StreamBulk, most: number) {
    this.#bulk = bulk;
    this.#most = most;
  }

  begin(id: number, flags: number, length: number): string | undefined {
    if (this.#part !== undefined) return "a block began before the one before it was whole";
    if (this.#whole.length >= this.#most) return "more blocks came than a record can tell of";
    const arrival = this.#bulk.begins(id, flags, length);
    if (typeof arrival === "string") return arrival;
    this.waiting = true;
    if (arrival.have === length) this.#isWhole(arrival);
    else this.#part = arrival;
    return undefined;
  }

  /** A chunk of `length` bytes comes, for `add`. */
  chunk(length: number): string | undefined {
    const part = this.#part;
    if (part !== undefined && length > 0 && length <= part.length - part.have) return undefined;
    return `a chunk of ${length} bytes came, which belongs to no block`;
  }

  add(chunk: Uint8Array, from: number, to: number): void {
    const part = this.#part!;
    part.bytes.set(chunk.subarray(from, to), part.have);
    part.have += to - from;
    if (part.have < part.length) return;
    this.#part = undefined;
    this.#isWhole(part);
  }

  /** A record begins, with blocks or without. */
  record(withBlocks: boolean): string | undefined {
    if (withBlocks ? this.#part === undefined : !this.waiting) return undefined;
    return "a record came before blocks that were begun are whole, or without them";
  }

  /** A record with blocks is here. */
  message(): void {
    this.#messages.push(this.#whole);
    this.#whole = [];
    this.waiting = false;
  }

  /** The blocks of the oldest record that were not asked for. */
  next(): readonly Arrival[] | undefined {
    return this.#messages.shift();
  }

  /** No more will come. */
  cut(): void {
    if (this.#part !== undefined) this.#bulk.refuse(this.#part);
    for (const arrival of this.#whole) this.#bulk.refuse(arrival);
    this.#part = undefined;
    this.#whole = [];
    this.waiting = false;
  }

  /** What has come is not wanted. */
  clear(): void {
    for (const message of this.#messages.splice(0)) for (const arrival of message) this.#bulk.refuse(arrival);
  }

  #isWhole(arrival: Arrival): void {
    this.#bulk.arrived(arrival);
    this.#whole.push(arrival);
  }
}

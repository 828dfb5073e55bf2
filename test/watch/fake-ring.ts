import { ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { loadBinding } from "../../lib/native/load.js";
import type { RingPlace } from "../../lib/watch/ring-reader.js";
import { scratchDirectory } from "../transport/scratch.js";

export const CAPACITY = 4096;
const CONTROL = 128;
const DATA = 4096;
const PUBLISHED = 2 ** 31;
const PADDING = 1;

/** A producer of one ring, in a file, that does one step at a time: as docs/layout.md says, and one that can be stopped in between. */
export class FakeProducer {
  readonly place: RingPlace;
  readonly sent: Buffer[] = [];
  #produced = 0;
  #limit = 0;

  constructor() {
    const descriptor = openSync(join(scratchDirectory(), "region"), "w+");
    ftruncateSync(descriptor, DATA + 2 * CAPACITY);
    this.place = { descriptor, control: CONTROL, data: DATA, capacity: CAPACITY };
  }

  /** Sends a record; the consumer always has taken everything. With `halfway`, the producer dies before it publishes. */
  send(payload: Buffer, halfway = false): void {
    const size = 8 + 8 * Math.ceil(payload.length / 8);
    const rest = CAPACITY - (this.#produced % CAPACITY);
    const padding = size > rest ? rest : 0;
    const start = this.#produced + padding;
    const end = start + size;
    if (end + 8 > this.#limit) this.#raise(end + 8);
    this.#header(end, 0, 0);
    this.#data(start + 8, payload);
    if (halfway) return;
    if (padding > 0) {
      this.#header(start, PUBLISHED + payload.length, 0);
      this.#header(this.#produced, PUBLISHED + padding - 8, PADDING);
    } else {
      this.#header(this.#produced, PUBLISHED + payload.length, 0);
    }
    this.#produced = end;
    this.sent.push(payload);
  }

  /** Writes into the control of the ring, as a hostile peer does. */
  scribble(offset: number, bytes: Buffer): void {
    writeSync(this.place.descriptor, bytes, 0, bytes.length, offset);
  }

  #raise(end: number): void {
    this.#limit = Math.min(end + CAPACITY / 8, this.#produced + CAPACITY);
    const { limit, anchor, anchorMessages, anchorLimit } = loadBinding().layout.region;
    this.#word(limit, this.#limit);
    this.#word(anchor, this.#produced);
    this.#word(anchorMessages, this.sent.length);
    this.#word(anchorLimit, this.#limit);
  }

  #word(offset: number, value: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    this.scribble(CONTROL + offset, bytes);
  }

  #header(position: number, length: number, kind: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32LE(length, 0);
    bytes.writeUInt32LE(kind, 4);
    this.#data(position, bytes);
  }

  #data(position: number, bytes: Buffer): void {
    this.scribble(DATA + (position % CAPACITY), bytes);
  }
}

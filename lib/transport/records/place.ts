import type { Scratch } from "../../codec/codec.js";
import { RECORD_HEADER, recordBytes } from "./record-layout.js";

/** Where the next message is encoded: one alone, or several side by side, which are then sent together. */
export class Place {
  readonly scratch: Scratch;
  /** Where the payload of the next message begins in the scratch. */
  at = RECORD_HEADER;
  /** Messages that stand complete before it. */
  packed = 0;

  constructor(scratch: Scratch) {
    this.scratch = scratch;
  }

  /** The message of `bytes` bytes that stands here is complete; the next one goes behind it. */
  pack(bytes: number): void {
    this.scratch.words[(this.at - RECORD_HEADER) >> 2] = bytes;
    this.at += recordBytes(bytes);
    this.packed++;
  }

  /** The next message goes to the beginning again; returns how many were packed. */
  restart(): number {
    const { packed } = this;
    this.packed = 0;
    this.at = RECORD_HEADER;
    return packed;
  }
}

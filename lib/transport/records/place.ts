import type { Scratch } from "../../codec/codec.js";
import { RECORD_HEADER, recordBytes } from "./record-layout.js";

/** The place where the next message is encoded: one alone, or several side by side, which are then sent together. */
export class Place {
  declare scratch: Scratch;
  /** The offset of the next message's payload in the scratch. */
  at = RECORD_HEADER;
  /** The number of complete messages before `at`. */
  packed = 0;

  constructor(scratch: Scratch) {
    this.scratch = scratch;
  }

  /** Completes the message of `bytes` bytes at `at`; the next one goes behind it. */
  pack(bytes: number): void {
    this.scratch.words[(this.at - RECORD_HEADER) >> 2] = bytes;
    this.at += recordBytes(bytes);
    this.packed++;
  }

  /** Puts the next message at the beginning again. Returns how many were packed. */
  restart(): number {
    const { packed } = this;
    this.packed = 0;
    this.at = RECORD_HEADER;
    return packed;
  }
}

import { Scratch } from "./codec.js";
import { LONGEST } from "./measure.js";
import {
  BIGINT,
  DOUBLE,
  INTEGER,
  LONG_BIGINT,
  LONGEST_SHORT,
  SHORT_STRING,
  STRING,
  WIDE_STRING,
} from "./packed-tags.js";

/* The bytes of a message of packed(): numbers, strings and bytes. They go to the scratch at once, and to private memory from where it is full. */

/** Up to this length a loop is faster than entering native code. */
const LONGEST_LOOP = 32;
const VARINT = 5;
const HEAD = 5;
/** Longer than any character in UTF-8: with so much room more than the text takes, text that is cut off is longer than its characters. */
const SLACK = 4;
const SHORTEST = 16 * 1024;

const latin1 = /^[\0-\xff]*$/;
const nowhere = new Scratch(new ArrayBuffer(0));

/** Thrown for a message that no memory has room for. */
export class TooLong {
  constructor(readonly bytes: number) {}
}

export class Output {
  // No #members: see "The straight line" in docs/architecture.md.

  /** The memory that is written to. */
  scratch: Scratch = nowhere;
  protected buffer: Buffer = nowhere.buffer;
  protected view: DataView = nowhere.view;
  /** Where the message begins, where the next byte goes, and where the memory ends. */
  private offset = 0;
  at = 0;
  private end = 0;

  protected open(scratch: Scratch, offset: number): void {
    this.scratch = scratch;
    this.buffer = scratch.buffer;
    this.view = scratch.view;
    this.offset = offset;
    this.at = offset;
    this.end = scratch.length;
  }

  /** Lets go of the memory, which belongs to a lane. */
  protected shut(): void {
    this.open(nowhere, 0);
  }

  byte(value: number): void {
    if (this.at >= this.end) this.grow(1);
    this.buffer[this.at++] = value;
  }

  /** Writes two bytes. */
  pair(first: number, second: number): void {
    const { at } = this;
    if (at + 2 > this.end) this.grow(2);
    const { buffer } = this;
    buffer[at] = first;
    buffer[at + 1] = second;
    this.at = at + 2;
  }

  /** Writes a count. */
  varint(value: number): void {
    if (this.at + VARINT > this.end) this.grow(VARINT);
    const { buffer } = this;
    let rest = value;
    while (rest > 0x7f) {
      buffer[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[this.at++] = rest;
  }

  u32(value: number): void {
    if (this.at + 4 > this.end) this.grow(4);
    this.view.setUint32(this.at, value, true);
    this.at += 4;
  }

  double(value: number): void {
    if (this.at + 8 > this.end) this.grow(8);
    this.view.setFloat64(this.at, value, true);
    this.at += 8;
  }

  /** Writes a number as a value. Hot. */
  number(value: number): void {
    const { at } = this;
    if (at + 9 > this.end) this.grow(9);
    const integer = value | 0;
    // Not -0, which equals 0.
    if (integer === value && (integer !== 0 || 1 / value > 0)) {
      if (integer >= 0 && integer <= 0x7f) {
        this.buffer[at] = integer;
        this.at = at + 1;
        return;
      }
      this.buffer[at] = INTEGER;
      this.view.setInt32(at + 1, integer, true);
      this.at = at + 5;
      return;
    }
    this.buffer[at] = DOUBLE;
    this.view.setFloat64(at + 1, value, true);
    this.at = at + 9;
  }

  bigint(value: bigint): void {
    if (BigInt.asIntN(64, value) === value) {
      this.byte(BIGINT);
      if (this.at + 8 > this.end) this.grow(8);
      this.view.setBigInt64(this.at, value, true);
      this.at += 8;
      return;
    }
    const hex = (value < 0n ? -value : value).toString(16);
    this.pair(LONG_BIGINT, value < 0n ? 1 : 0);
    this.bytes(Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex"));
  }

  /** Writes the length of the bytes, and them. */
  bytes(bytes: Uint8Array): void {
    this.u32(bytes.length);
    if (this.at + bytes.length > this.end) this.grow(bytes.length);
    this.buffer.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** Writes a string as a value. Hot. */
  text(text: string): void {
    const { length } = text;
    if (length > LONGEST_LOOP) {
      this.longText(text);
      return;
    }
    if (this.at + length + 1 > this.end) this.grow(length + 1);
    const { buffer } = this;
    const from = this.at + 1;
    let seen = 0;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      seen |= unit;
      buffer[from + i] = unit;
    }
    if (seen > 0xff) {
      this.wideText(text);
      return;
    }
    buffer[from - 1] = SHORT_STRING + length;
    this.at = from + length;
  }

  private longText(text: string): void {
    const { length } = text;
    if (this.at + length + HEAD + SLACK > this.end) this.grow(length + HEAD + SLACK);
    const { at, buffer } = this;
    const from = at + (length <= LONGEST_SHORT ? 1 : HEAD);
    // As many bytes as characters: all of it is ASCII, which is found out faster.
    if (buffer.write(text, from, length + SLACK, "utf8") !== length) {
      if (!latin1.test(text)) {
        this.wideText(text);
        return;
      }
      buffer.write(text, from, length, "latin1");
    }
    if (length <= LONGEST_SHORT) {
      buffer[at] = SHORT_STRING + length;
    } else {
      buffer[at] = STRING;
      this.view.setUint32(at + 1, length, true);
    }
    this.at = from + length;
  }

  /** In UTF-16, which also has lone surrogates. */
  private wideText(text: string): void {
    const bytes = text.length * 2;
    if (this.at + HEAD + bytes > this.end) this.grow(HEAD + bytes);
    this.buffer[this.at] = WIDE_STRING;
    this.view.setUint32(this.at + 1, text.length, true);
    this.buffer.write(text, this.at + HEAD, bytes, "utf16le");
    this.at += HEAD + bytes;
  }

  /** Goes on in private memory, at the same positions. The message is not encoded anew: that would run code of the program again. */
  private grow(bytes: number): void {
    const { at, offset } = this;
    const needed = at + bytes;
    if (needed - offset > LONGEST) throw new TooLong(needed - offset);
    const written = this.buffer.subarray(offset, at);
    const more = new Scratch(
      new ArrayBuffer(offset + Math.max(needed - offset, written.length * 2, SHORTEST)),
    );
    more.buffer.set(written, offset);
    this.open(more, offset);
    this.at = at;
  }
}

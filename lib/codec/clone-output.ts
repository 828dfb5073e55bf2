import { DOUBLE, INTEGER, ONE_BYTE_STRING, PADDING, TWO_BYTE_STRING } from "./clone-tags.js";

/*
 * The bytes of a message in the format of V8's serializer: numbers, strings and bytes; clone-writer.ts has the rest. They are gathered in private
 * memory: code of the program runs meanwhile, and may send another message on the same lane.
 */

/** Memory that is kept for the next message. A longer message gets more, and gives it back. */
const KEPT_BYTES = 16 * 1024;

/** Up to these lengths a loop is faster than entering native code. */
const LONGEST_LOOP = 24;
const LONGEST_BYTE_LOOP = 8;

const latin1 = /^[\0-\xff]*$/;

/** The longest varint, of 32 bits. */
const VARINT = 5;

export class Output {
  // No #members: V8 reads other fields with half the bytecode, and all of a message goes through here.

  private buffer: Buffer = Buffer.allocUnsafeSlow(KEPT_BYTES);
  private view = new DataView(this.buffer.buffer);
  private at = 0;

  /** The bytes so far; they are good until `reset`. */
  get bytes(): Uint8Array {
    return this.buffer.subarray(0, this.at);
  }

  /** As `bytes`, for good. */
  take(): Uint8Array {
    const { bytes } = this;
    this.at = 0;
    this.replace(KEPT_BYTES);
    return bytes;
  }

  get length(): number {
    return this.at;
  }

  /** Begins the next message. */
  reset(): void {
    this.at = 0;
    if (this.buffer.length > KEPT_BYTES) this.replace(KEPT_BYTES);
  }

  /** Writes one byte, such as a tag. */
  byte(value: number): void {
    this.room(1);
    this.view.setUint8(this.at++, value);
  }

  /** Writes an unsigned integer of up to 32 bits in as few groups of 7 bits as it takes. */
  varint(value: number): void {
    this.room(VARINT);
    const view = this.view;
    let rest = value;
    while (rest > 0x7f) {
      view.setUint8(this.at++, (rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    view.setUint8(this.at++, rest);
  }

  /** Writes the end of a container: its tag, and how much is in it. */
  end(tag: number, count: number): void {
    this.byte(tag);
    this.varint(count);
  }

  double(value: number): void {
    this.room(8);
    this.view.setFloat64(this.at, value, true);
    this.at += 8;
  }

  /** Writes a number as a value with its tag. */
  number(value: number): void {
    this.room(9);
    const integer = value | 0;
    // Not -0, which equals 0.
    if (integer === value && (integer !== 0 || 1 / value > 0)) {
      this.view.setUint8(this.at++, INTEGER);
      this.varint(((integer << 1) ^ (integer >> 31)) >>> 0);
    } else {
      this.view.setUint8(this.at, DOUBLE);
      this.view.setFloat64(this.at + 1, value, true);
      this.at += 9;
    }
  }

  /** Writes what the format has behind the tag of a bigint. */
  bigint(value: bigint): void {
    const magnitude = value < 0n ? -value : value;
    const hex = value === 0n ? "" : magnitude.toString(16);
    const digits = Math.ceil(hex.length / 16);
    const length = digits * 8;
    this.varint((length << 1) | (value < 0n ? 1 : 0));
    if (digits <= 1) {
      this.room(8);
      if (digits === 1) this.view.setBigUint64(this.at, magnitude, true);
      this.at += length;
    } else {
      this.raw(Buffer.from(hex.padStart(digits * 16, "0"), "hex").reverse());
    }
  }

  raw(bytes: Uint8Array): void {
    const { length } = bytes;
    this.room(length);
    if (length > LONGEST_BYTE_LOOP) {
      this.buffer.set(bytes, this.at);
    } else {
      for (let i = 0; i < length; i++) this.view.setUint8(this.at + i, bytes[i]!);
    }
    this.at += length;
  }

  /** Writes a string as a value with its tag: in one byte a character where that does. */
  text(text: string): void {
    const { length } = text;
    if (length > LONGEST_LOOP) {
      this.longText(text);
      return;
    }
    this.room(length + 2);
    const view = this.view;
    const from = this.at + 2;
    let seen = 0;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      seen |= unit;
      view.setUint8(from + i, unit);
    }
    if (seen > 0xff) {
      this.twoBytes(text);
      return;
    }
    view.setUint8(this.at, ONE_BYTE_STRING);
    view.setUint8(this.at + 1, length);
    this.at = from + length;
  }

  private longText(text: string): void {
    const { length } = text;
    // As many bytes of UTF-8 as characters: all of it is ASCII, which is found out faster.
    if (Buffer.byteLength(text) !== length && !latin1.test(text)) {
      this.twoBytes(text);
      return;
    }
    this.byte(ONE_BYTE_STRING);
    this.varint(length);
    this.room(length);
    this.at += this.buffer.write(text, this.at, length, "latin1");
  }

  private twoBytes(text: string): void {
    const length = text.length * 2;
    this.room(length + VARINT + 2);
    let lengthBytes = 1;
    for (let rest = length; rest > 0x7f; rest >>>= 7) lengthBytes++;
    // The format has the characters at an even position.
    if ((this.at + 1 + lengthBytes) % 2 !== 0) this.byte(PADDING);
    this.byte(TWO_BYTE_STRING);
    this.varint(length);
    this.room(length);
    this.at += this.buffer.write(text, this.at, length, "utf16le");
  }

  private room(bytes: number): void {
    const needed = this.at + bytes;
    if (needed > this.buffer.length) this.replace(Math.max(needed, this.buffer.length * 2));
  }

  private replace(length: number): void {
    const before = this.buffer;
    this.buffer = Buffer.allocUnsafeSlow(length);
    this.view = new DataView(this.buffer.buffer);
    if (this.at > 0) this.buffer.set(before.subarray(0, this.at));
  }
}

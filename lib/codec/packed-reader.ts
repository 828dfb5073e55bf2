import type { Block } from "../bulk/block.js";
import { DecodeError } from "../errors.js";
import { claimBlock } from "./blocks.js";
import { BUFFER, makeView } from "./clone-views.js";
import { NO_BLOCKS, Scratch } from "./codec.js";
import { put } from "./packed-compile.js";
import type { LearntShapes } from "./packed-shapes.js";
import {
  ARRAY,
  ARRAY_BUFFER,
  BIGINT,
  BLOCK,
  DATE,
  DOUBLE,
  FALSE,
  INTEGER,
  INTRODUCTIONS,
  LONG_BIGINT,
  MAP,
  MOST_DEPTH,
  NO_INTRODUCTIONS,
  NULL,
  OBJECT,
  SET,
  SHAPE,
  SHORT_STRING,
  STRING,
  TRUE,
  UNDEFINED,
  VIEW,
  WIDE_STRING,
} from "./packed-tags.js";

/**
 * Short strings are cut out of a text that is made of up to this many bytes at once: to make a text takes 100 ns, to cut one out 10. A string of 13
 * or more characters that is kept keeps the text that it was cut from.
 */
const WINDOW = 4096;
/** Room for a container is made at once up to this many elements: a peer can write any count in three bytes, in a thousand containers. */
const AT_ONCE = 256;

const nowhere = new Scratch(new ArrayBuffer(0));

/**
 * Reads the messages of a lane. What a peer sends is bounded by the bytes that came: each value takes one, and is not made before its bytes are
 * seen to be there. A tag or a number that is read past the end of the message is noticed at the latest when the message was read.
 */
export class Reader {
  // No #members: see "The straight line" in docs/architecture.md.

  /** Generated code reads tags by itself. */
  buffer: Buffer = nowhere.buffer;
  private view: DataView = nowhere.view;
  at = 0;
  private end = 0;
  private depth = 0;
  private blocks: (Block | undefined)[] = NO_BLOCKS;
  /** The bytes from `windowStart` to `windowEnd` as a text, a character each. */
  private window = "";
  private windowStart = 0;
  private windowEnd = 0;

  constructor(private readonly shapes: LearntShapes) {}

  /** Reads the message of `bytes` bytes at `offset`. Throws a DecodeError, or what V8 throws for numbers beyond its limits. */
  read(scratch: Scratch, offset: number, bytes: number, blocks: (Block | undefined)[]): unknown {
    if (bytes < 2) throw new DecodeError("a message has two bytes at least", "");
    this.buffer = scratch.buffer;
    this.view = scratch.view;
    this.blocks = blocks;
    this.depth = 0;
    try {
      const end = offset + bytes - 1;
      const form = this.buffer[end];
      if (form === NO_INTRODUCTIONS) return this.readValue(offset, end);
      if (form !== INTRODUCTIONS) throw new DecodeError(`the last byte must be 0 or 1; it is ${form}`, "");
      const table = bytes < 6 ? -1 : end - 4 - this.view.getUint32(end - 4, true);
      if (table <= offset)
        throw new DecodeError("the introductions of shapes are longer than the message", "");
      this.shapes.learn(this, table, end - 4);
      return this.readValue(offset, table);
    } finally {
      this.buffer = nowhere.buffer;
      this.view = nowhere.view;
      this.blocks = NO_BLOCKS;
      this.window = "";
    }
  }

  private readValue(offset: number, end: number): unknown {
    this.look(offset, end);
    const value = this.value();
    if (this.at !== end) throw new DecodeError("the message is longer or shorter than its value", "");
    return value;
  }

  /** Goes to a part of the message. */
  look(from: number, to: number): void {
    this.at = from;
    this.end = to;
    this.windowStart = from;
    this.windowEnd = from;
  }

  /** Reads a value. Hot. */
  value(): unknown {
    const tag = this.buffer[this.at]!;
    if (tag < SHORT_STRING) {
      this.at++;
      return tag;
    }
    if (tag < SHAPE) return this.shortText(tag - SHORT_STRING);
    if (tag < OBJECT) return this.shaped(tag);
    return this.other(tag);
  }

  u16(): number {
    const value = this.view.getUint16(this.skip(2), true);
    return value;
  }

  /** Reads a count of elements that take at least `least` bytes each. */
  count(least: number): number {
    let count = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = this.buffer[this.skip(1)]!;
      count += (byte & 0x7f) * 2 ** shift;
      shift += 7;
    } while (byte > 0x7f && shift < 35);
    const left = this.end - this.at;
    if (byte > 0x7f || count * least > left)
      throw new DecodeError(`${count} elements or more, but only ${left} bytes are left`, "");
    return count;
  }

  /** Reads a string, which must be one. */
  key(): string {
    const tag = this.buffer[this.at]!;
    const key =
      tag === STRING || tag === WIDE_STRING || (tag >= SHORT_STRING && tag < SHAPE) ? this.value() : tag;
    if (typeof key !== "string") throw new DecodeError(`a key must be a string; its tag is ${key}`, "");
    return key;
  }

  private shortText(length: number): string {
    const from = this.at + 1;
    const to = from + length;
    if (to > this.windowEnd) this.moveWindow(from, to);
    this.at = to;
    const start = from - this.windowStart;
    return this.window.substring(start, start + length);
  }

  private moveWindow(from: number, to: number): void {
    if (to > this.end) throw tooLong(to - from, this.end - from);
    this.windowStart = from;
    this.windowEnd = Math.min(this.end, from + WINDOW);
    this.window = this.buffer.toString("latin1", from, this.windowEnd);
  }

  private shaped(tag: number): object {
    const { at } = this;
    const shape = this.shapes.get(((tag & 3) << 8) | this.buffer[at + 1]!);
    this.at = at + 2;
    if (++this.depth > MOST_DEPTH) tooDeep();
    const object = shape.read(this, shape);
    this.depth--;
    return object;
  }

  private other(tag: number): unknown {
    this.at++;
    switch (tag) {
      case NULL:
        return null;
      case UNDEFINED:
        return undefined;
      case TRUE:
        return true;
      case FALSE:
        return false;
      case INTEGER:
        return this.view.getInt32(this.skip(4), true);
      case DOUBLE:
        return this.view.getFloat64(this.skip(8), true);
      case STRING:
        return this.bytes("latin1", 1);
      case WIDE_STRING:
        return this.bytes("utf16le", 2);
      case ARRAY:
        return this.array();
      case OBJECT:
        return this.object();
      default:
        return this.rare(tag);
    }
  }

  private rare(tag: number): unknown {
    switch (tag) {
      case BIGINT:
        return this.view.getBigInt64(this.skip(8), true);
      case LONG_BIGINT:
        return this.longBigint();
      case DATE:
        return new Date(this.view.getFloat64(this.skip(8), true));
      case MAP:
        return this.map();
      case SET:
        return this.set();
      case VIEW:
        return this.viewOf(this.buffer[this.skip(1)]!);
      case ARRAY_BUFFER:
        return this.memory();
      case BLOCK:
        return claimBlock(this.blocks, this.count(0));
      default:
        throw new DecodeError(`a value must begin with a tag; it begins with ${tag}`, "");
    }
  }

  private array(): unknown[] {
    const count = this.count(1);
    this.enter();
    const array: unknown[] = count <= AT_ONCE ? new Array<unknown>(count) : [];
    if (count <= AT_ONCE) for (let i = 0; i < count; i++) array[i] = this.value();
    else for (let i = 0; i < count; i++) array.push(this.value());
    this.depth--;
    return array;
  }

  private object(): object {
    const count = this.count(2);
    this.enter();
    const object: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) put(object, this.key(), this.value());
    this.depth--;
    return object;
  }

  private map(): Map<unknown, unknown> {
    const count = this.count(2);
    this.enter();
    const map = new Map<unknown, unknown>();
    for (let i = 0; i < count; i++) map.set(this.value(), this.value());
    this.depth--;
    return map;
  }

  private set(): Set<unknown> {
    const count = this.count(1);
    this.enter();
    const set = new Set<unknown>();
    for (let i = 0; i < count; i++) set.add(this.value());
    this.depth--;
    return set;
  }

  private longBigint(): bigint {
    const sign = this.buffer[this.skip(1)]!;
    const hex = this.bytes("hex", 1);
    if (sign > 1 || hex === "") throw new DecodeError("malformed bigint", "");
    const magnitude = BigInt(`0x${hex}`);
    return sign === 1 ? -magnitude : magnitude;
  }

  private viewOf(kind: number): ArrayBufferView {
    if (kind !== BUFFER) return makeView(kind, this.memory());
    const { at } = this;
    const length = this.length(1);
    // Not a slice of Node's pool: one that is kept would keep all of it.
    const copy = Buffer.allocUnsafeSlow(length);
    copy.set(this.buffer.subarray(at + 4, at + 4 + length));
    return copy;
  }

  private memory(): ArrayBuffer {
    const length = this.length(1);
    const memory = new ArrayBuffer(length);
    new Uint8Array(memory).set(this.buffer.subarray(this.at - length, this.at));
    return memory;
  }

  private bytes(encoding: "latin1" | "utf16le" | "hex", size: number): string {
    const length = this.length(size);
    return this.buffer.toString(encoding, this.at - length, this.at);
  }

  /** Reads a length in units of `size` bytes, and goes behind them. Returns the length in bytes. */
  private length(size: number): number {
    const length = this.view.getUint32(this.skip(4), true) * size;
    if (length > this.end - this.at) throw tooLong(length, this.end - this.at);
    this.at += length;
    return length;
  }

  /** Goes behind so many bytes. Returns where they begin. */
  private skip(bytes: number): number {
    const { at } = this;
    if (bytes > this.end - at) throw tooLong(bytes, this.end - at);
    this.at = at + bytes;
    return at;
  }

  private enter(): void {
    if (++this.depth > MOST_DEPTH) tooDeep();
  }
}

function tooLong(bytes: number, left: number): DecodeError {
  return new DecodeError(`a value of ${bytes} bytes, but only ${Math.max(left, 0)} are left`, "");
}

function tooDeep(): never {
  throw new DecodeError(`nested deeper than ${MOST_DEPTH} levels`, "");
}

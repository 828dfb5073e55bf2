import { DecodeError } from "../errors.js";
import {
  ARRAY_BUFFER,
  BEGIN_DENSE_ARRAY,
  BEGIN_MAP,
  BEGIN_OBJECT,
  BEGIN_SET,
  BEGIN_SPARSE_ARRAY,
  BIGINT,
  BIGINT_OBJECT,
  DATE,
  DOUBLE,
  END_DENSE_ARRAY,
  END_MAP,
  END_OBJECT,
  END_SET,
  END_SPARSE_ARRAY,
  ERROR,
  ERROR_CAUSE,
  ERROR_CLASSES,
  ERROR_END,
  ERROR_MESSAGE,
  ERROR_STACK,
  FALSE,
  FALSE_OBJECT,
  FORMAT,
  HOLE,
  HOST_OBJECT,
  INTEGER,
  NULL,
  NUMBER_OBJECT,
  ONE_BYTE_STRING,
  PADDING,
  REFERENCE,
  REGEXP,
  RESIZABLE_ARRAY_BUFFER,
  STRING_OBJECT,
  TRUE,
  TRUE_OBJECT,
  TWO_BYTE_STRING,
  UNDEFINED,
} from "./clone-tags.js";
import { BLOCK, DOM_EXCEPTION } from "./clone-views.js";

/*
 * V8's deserializer makes room for an array before it has seen its elements. A sparse array of 2^25 places takes 256 MiB and seconds, and
 * five bytes in a message. So the places of all arrays are counted before V8 sees the message.
 */

/** The places that the arrays of a message may have beyond a place for each byte. They take 8 MiB. */
export const SPARE_PLACES = 1 << 20;
/** V8 keeps a longer array as a table, which needs no room for what is not there. */
const MOST_WITH_ROOM = 1 << 25;
/** Up to so many bytes a loop finds a byte sooner than a call of Buffer does. */
const SHORT = 1024;

/** Throws a DecodeError if the arrays of a message have more places than its bytes allow. */
export function boundArrays(buffer: Buffer, start: number, bytes: number): void {
  const most = SPARE_PLACES + bytes;
  const end = start + bytes;
  // Any byte may be one of a text. Only where all that look like arrays would be too many it matters which ones are.
  const guess = bytes > SHORT ? guessLong(buffer, start, end) : guessShort(buffer, start, end);
  if (guess > most && placesOf(buffer, start, end) > most)
    throw new DecodeError(`the arrays of a message of ${bytes} bytes have more than ${most} places`, "");
}

/** The places of all arrays of a message for which V8 makes room. Throws for bytes that are no message. */
export function placesOf(buffer: Buffer, start: number, end: number): number {
  return new Walk(buffer, start, end).places();
}

/** The sum of the lengths behind all bytes that may begin an array. */
function guessShort(buffer: Buffer, start: number, end: number): number {
  let sum = 0;
  for (let at = start; at < end; at++) {
    const byte = buffer[at]!;
    if (byte === BEGIN_SPARSE_ARRAY || byte === BEGIN_DENSE_ARRAY) sum += lengthAt(buffer, at + 1, end);
  }
  return sum;
}

function guessLong(buffer: Buffer, start: number, end: number): number {
  let sum = 0;
  for (const tag of [BEGIN_SPARSE_ARRAY, BEGIN_DENSE_ARRAY]) {
    let at = buffer.indexOf(tag, start);
    while (at >= 0 && at < end) {
      sum += lengthAt(buffer, at + 1, end);
      at = buffer.indexOf(tag, at + 1);
    }
  }
  return sum;
}

/** The number at a place, or more: it may have bits beyond 32. */
function lengthAt(buffer: Buffer, from: number, end: number): number {
  let length = 0;
  for (let at = from, scale = 1; at < end && scale < 2 ** 32; at++, scale *= 128) {
    const byte = buffer[at]!;
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  return length;
}

/** How many numbers of any length stand behind a tag. Tags that begin or end something else, or hold bytes, are not here. */
const NUMBERS: ReadonlyMap<number, number> = new Map([
  ...[UNDEFINED, NULL, TRUE, FALSE, HOLE, TRUE_OBJECT, FALSE_OBJECT].map((tag) => [tag, 0] as const),
  ...[INTEGER, 0x55, REFERENCE].map((tag) => [tag, 1] as const),
]);
const BEGINS: readonly number[] = [BEGIN_OBJECT, BEGIN_MAP, BEGIN_SET];
/** Ends, and the numbers behind each. */
const ENDS: ReadonlyMap<number, number> = new Map([
  [END_OBJECT, 1],
  [END_MAP, 1],
  [END_SET, 1],
  [END_DENSE_ARRAY, 2],
  [END_SPARSE_ARRAY, 2],
]);
const DOUBLES: readonly number[] = [DOUBLE, DATE, NUMBER_OBJECT];
const UTF8_STRING = 0x53;
const STRINGS: readonly number[] = [ONE_BYTE_STRING, TWO_BYTE_STRING, UTF8_STRING];
/** A view may stand behind memory, or behind a reference to some. */
const MEMORY: readonly number[] = [ARRAY_BUFFER, RESIZABLE_ARRAY_BUFFER, REFERENCE];
const VIEW = 0x56;
/** A count that V8 skips, before a value. */
const COUNT = 0x3f;
const CLASSES: readonly number[] = [...ERROR_CLASSES.values()];

/** Goes from tag to tag as V8 does, and makes nothing. Throws for bytes that are no message. */
class Walk {
  #at: number;
  #places = 0;

  constructor(
    private readonly buffer: Buffer,
    start: number,
    private readonly end: number,
  ) {
    this.#at = start;
  }

  places(): number {
    // The byte before the version.
    this.#byte();
    const version = this.#number();
    if (version !== FORMAT) throw new Error(`version ${version} of the format; expected ${FORMAT}`);
    this.#value();
    return this.#places;
  }

  /** One value, with all that is in it. What is in a container needs no look at its structure. */
  #value(): void {
    let depth = 0;
    let isBegun = false;
    while (!isBegun || depth > 0) {
      const tag = this.#byte();
      if (tag === COUNT) this.#number();
      // Neither is a value: one follows.
      if (tag === COUNT || tag === PADDING) continue;
      isBegun = true;
      if (BEGINS.includes(tag)) depth++;
      else if (tag === BEGIN_SPARSE_ARRAY || tag === BEGIN_DENSE_ARRAY) {
        const length = this.#number();
        if (length <= MOST_WITH_ROOM) this.#places += length;
        depth++;
      } else if (ENDS.has(tag)) {
        for (let numbers = ENDS.get(tag)!; numbers > 0; numbers--) this.#number();
        depth--;
      } else this.#leaf(tag);
      if (MEMORY.includes(tag)) this.#view();
    }
  }

  #leaf(tag: number): void {
    const numbers = NUMBERS.get(tag);
    if (numbers === 1) this.#number();
    if (numbers !== undefined) return;
    if (DOUBLES.includes(tag)) this.#skip(8);
    else if (STRINGS.includes(tag) || tag === ARRAY_BUFFER) this.#skip(this.#number());
    else if (tag === BIGINT || tag === BIGINT_OBJECT) this.#skip((this.#number() >>> 1) & ~7);
    else if (tag === STRING_OBJECT) this.#value();
    else if (tag === REGEXP) {
      this.#value();
      this.#number();
    } else if (tag === RESIZABLE_ARRAY_BUFFER) {
      const length = this.#number();
      this.#number();
      this.#skip(length);
    } else if (tag === ERROR) this.#error();
    else if (tag === HOST_OBJECT) this.#hostObject();
    else throw new Error(`a tag that no message of ours has: ${tag}`);
  }

  /** A view stands behind the memory that it looks at. */
  #view(): void {
    let at = this.#at;
    while (at < this.end && this.buffer[at] === PADDING) at++;
    if (at >= this.end || this.buffer[at] !== VIEW) return;
    this.#at = at + 1;
    for (let numbers = 4; numbers > 0; numbers--) this.#number();
  }

  #error(): void {
    for (;;) {
      const tag = this.#byte();
      if (tag === ERROR_END) return;
      if (tag === ERROR_MESSAGE || tag === ERROR_STACK || tag === ERROR_CAUSE) this.#value();
      else if (!CLASSES.includes(tag)) throw new Error(`a part of an error that does not exist: ${tag}`);
    }
  }

  #hostObject(): void {
    const kind = this.#number();
    if (kind === DOM_EXCEPTION) {
      for (let values = 5; values > 0; values--) this.#value();
      return;
    }
    const number = this.#number();
    if (kind !== BLOCK) this.#skip(number);
  }

  #byte(): number {
    if (this.#at >= this.end) throw new Error("the message ends too early");
    return this.buffer[this.#at++]!;
  }

  #skip(bytes: number): void {
    if (bytes > this.end - this.#at) throw new Error("the message ends too early");
    this.#at += bytes;
  }

  /** A number of 32 bits in seven bits a byte. Like V8 it skips what stands beyond 32 bits. */
  #number(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#byte();
      if (shift < 32) value = (value | ((byte & 0x7f) << shift)) >>> 0;
      if (byte < 0x80) return value;
    }
  }
}

import { EncodeError, InvalidArgumentError, UnknownOptionError } from "../errors.js";
import { unclearedBytes } from "../native/long-memory.js";
import { carriers } from "./blocks.js";
import { type Codec, NO_ROOM, noRoom, type Scratch } from "./codec.js";
import { type Field, fieldOf } from "./field.js";
import { checkLength } from "./fields.js";
import { describe } from "./path.js";
import { copyInSlab, fitsSlab } from "./slab.js";
import { isLost, tagOf } from "./views.js";

export interface BytesOptions {
  /**
   * `false`: what arrives is a view into memory that the next receive on the channel overwrites, or that is given back when the listener has
   * returned. Copy what is to stay. A long one
   * is a view into the memory that the peer has put it in, and could still change: for peers that are trusted.
   * With the methods that receive many messages at once, only the last one is sure to be whole. Default: true.
   */
  copy?: boolean;
}

/**
 * Raw bytes: any Uint8Array (a Buffer too) is sent, a Uint8Array arrives, a copy by default. Copies of 65 to 512 bytes share memory, 4 KiB
 * at a time, as Node's Buffers do: `buffer`, `byteOffset` and a transfer are then not for one message alone.
 * A codec of its own, and the type of a field: `struct({ data: bytes() })`.
 */
export function bytes(options?: BytesOptions): Codec<Uint8Array> & Field<Uint8Array>;
/** A field of exactly `length` bytes: an `uint8_t name[length]` in C. */
export function bytes(length: number, options?: BytesOptions): Field<Uint8Array>;
export function bytes(first?: number | BytesOptions, second?: BytesOptions): Field<Uint8Array> {
  const [length, options] = typeof first === "number" ? [first, second] : [undefined, first];
  const copy = copyOption(options);
  if (length === undefined) return copy ? copying : viewing;
  checkLength(length, "the length of bytes");
  return fieldOf({
    kind: "bytes",
    length,
    copy,
    size: length,
    align: 1,
    variable: false,
    text: `bytes(${length})`,
  });
}

function copyOption(options: BytesOptions = {}): boolean {
  if (typeof options !== "object" || options === null) {
    throw new InvalidArgumentError("the argument of bytes(…)", "a length or an object of options", options);
  }
  for (const option of Object.keys(options)) {
    if (option !== "copy") throw new UnknownOptionError(option, ["copy"]);
  }
  const copy = options.copy ?? true;
  if (typeof copy !== "boolean") throw new InvalidArgumentError("options.copy", "true or false", copy);
  return copy;
}

function bytesCodec(copy: boolean): Codec<Uint8Array> & Field<Uint8Array> {
  return Object.freeze({
    ...fieldOf<Uint8Array>({
      kind: "bytes",
      length: undefined,
      copy,
      size: 4,
      align: 4,
      variable: true,
      text: "bytes",
    }),
    name: "bytes",
    fingerprint: "bytes",
    opaque: copy,
    inPlace: !copy,
    encode(message: Uint8Array, scratch: Scratch, offset: number): number {
      if (!isBytes(message)) {
        throw new EncodeError(`must be a Uint8Array; it is ${describe(message)}${carriers(message)}`, "");
      }
      const bytes = writeBytes(message, scratch, offset, scratch.length);
      return bytes === NO_ROOM ? noRoom(message.length) : bytes;
    },
    decode: copy
      ? (scratch: Scratch, offset: number, bytes: number) => copyBytes(scratch, offset, offset + bytes)
      : (scratch: Scratch, offset: number, bytes: number) => viewBytes(scratch, offset, offset + bytes),
  });
}

/** Whether it is a Uint8Array, of any realm, and has its memory. Takes as long as `instanceof`, which objects without bytes would pass. */
export function isBytes(value: unknown): value is Uint8Array {
  return tagOf(value) === "Uint8Array" && ((value as Uint8Array).length > 0 || !isLost(value as Uint8Array));
}

// Up to these lengths a loop is faster than the built-in functions, which take the same for any short length: 19 ns to set, 28 to
// fill, 40 to copy (of which 23 are the view).
const LONGEST_LOOP = 8;
const LONGEST_COPY_LOOP = 16;
// From here on it is worth the 150 ns of a Buffer that a copy is made in memory that nobody has cleared.
const LONG_COPY = 16 * 1024;

/** Writes `bytes` at `at`, not past `end`; returns their number or NO_ROOM. */
export function writeBytes(bytes: Uint8Array, scratch: Scratch, at: number, end: number): number {
  const length = bytes.length;
  if (length > end - at) return NO_ROOM;
  if (length > LONGEST_LOOP) {
    scratch.buffer.set(bytes, at);
  } else {
    const view = scratch.view;
    for (let i = 0; i < length; i++) view.setUint8(at + i, bytes[i]!);
  }
  return length;
}

export function copyBytes(scratch: Scratch, at: number, end: number): Uint8Array {
  const length = end - at;
  if (length >= LONG_COPY) {
    const copy = unclearedBytes(length);
    copy.set(scratch.buffer.subarray(at, end));
    return copy;
  }
  if (length > LONGEST_COPY_LOOP) {
    const bytes = viewBytes(scratch, at, end);
    return fitsSlab(length) ? copyInSlab(bytes) : new Uint8Array(bytes);
  }
  const view = scratch.view;
  const copy = new Uint8Array(length);
  for (let i = 0; i < copy.length; i++) copy[i] = view.getUint8(at + i);
  return copy;
}

/** By way of the DataView: `buffer` and `byteOffset` of a Buffer take 23 ns more. The scratch may be a part of its memory. */
export function viewBytes(scratch: Scratch, at: number, end: number): Uint8Array {
  const { view } = scratch;
  return new Uint8Array(view.buffer, view.byteOffset + at, end - at);
}

/** Clears the bytes from `from` to `to`. */
export function clear(scratch: Scratch, from: number, to: number): void {
  if (to - from > LONGEST_LOOP) {
    fill.call(scratch.buffer, 0, from, to);
  } else {
    const view = scratch.view;
    for (let at = from; at < to; at++) view.setUint8(at, 0);
  }
}

// Buffer's own checks its arguments for as long again.
const fill = Uint8Array.prototype.fill;

const copying = bytesCodec(true);
const viewing = bytesCodec(false);

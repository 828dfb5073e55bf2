import type { Block } from "../bulk/block.js";
import { DecodeError } from "../errors.js";
import { missing, releasing, takeBlock } from "./blocks.js";
import { copyBytes, viewBytes } from "./bytes.js";
import type { Decode } from "./code.js";
import type { Scratch } from "./codec.js";
import {
  holdsBlocks,
  type NumberType,
  type RootShape,
  type Shape,
  type StructShape,
  type UnionShape,
} from "./field.js";
import { Path } from "./path.js";
import { readText } from "./utf8.js";

/* Decoding by closures, the counterpart of writers.ts. */

/** Where a message is being read. */
interface Cursor {
  scratch: Scratch;
  blocks: (Block | undefined)[];
  view: DataView;
  /** Where the message begins. */
  base: number;
  /** Where the part of the tail begins that was not read yet. */
  tail: number;
  /** Where the message ends. */
  end: number;
}

/** Reads the value whose slot is at `at`. */
type Read = (cursor: Cursor, at: number) => unknown;

/** Makes a decoder out of closures. */
export function closureDecoder(shape: RootShape): Decode {
  const read = readerOf(shape, new Path());
  const { size, variable } = shape;
  const decode: Decode = (scratch, offset, bytes, blocks) => {
    if (variable ? bytes < size : bytes !== size) {
      throw new DecodeError(
        `the message has ${bytes} bytes instead of ${variable ? "at least " : ""}${size}`,
        "",
      );
    }
    const cursor: Cursor = {
      scratch,
      blocks,
      view: scratch.view,
      base: offset,
      tail: offset + size,
      end: offset + bytes,
    };
    const message = read(cursor, offset);
    if (cursor.tail !== cursor.end) {
      throw new DecodeError(`${cursor.end - cursor.tail} bytes follow the end of the message`, "");
    }
    return message;
  };
  if (!holdsBlocks(shape)) return decode;
  return (scratch, offset, bytes, blocks) => releasing(blocks, () => decode(scratch, offset, bytes, blocks));
}

/** `left` may be negative where the padding before an array was cut off. */
function tooLong(path: Path, what: string, left: number): DecodeError {
  return new DecodeError(`${what}, but only ${Math.max(left, 0)} bytes are left`, path.toString());
}

function readerOf(shape: Shape, path: Path): Read {
  switch (shape.kind) {
    case "number":
      return numberReader(shape.type, path);
    case "bool":
      return ({ view }, at) => {
        const value = view.getUint8(at);
        if (value > 1)
          throw new DecodeError(`must be 0 (false) or 1 (true); it is ${value}`, path.toString());
        return value === 1;
      };
    case "enum": {
      const { values, size } = shape;
      return ({ view }, at) => {
        const index = size === 1 ? view.getUint8(at) : view.getUint16(at, true);
        if (index >= values.length) {
          const text = `must be the position of a value, 0 to ${values.length - 1}; it is ${index}`;
          throw new DecodeError(text, path.toString());
        }
        return values[index];
      };
    }
    case "text":
      return textReader(shape.length, path);
    case "bytes": {
      const { length, copy } = shape;
      const take = copy ? copyBytes : viewBytes;
      if (length !== undefined) return ({ scratch }, at) => take(scratch, at, at + length);
      return (cursor, at) => {
        const count = cursor.view.getUint32(at, true);
        const start = cursor.tail;
        if (count > cursor.end - start) throw tooLong(path, `${count} bytes`, cursor.end - start);
        cursor.tail = start + count;
        return take(cursor.scratch, start, start + count);
      };
    }
    case "block":
      return ({ blocks, view }, at) => {
        const index = view.getUint32(at, true);
        return takeBlock(blocks, index) ?? missing(index, path.toString());
      };
    case "optional": {
      const { offset } = shape;
      const read = readerOf(shape.of, path);
      return (cursor, at) => {
        const there = cursor.view.getUint8(at);
        if (there > 1) {
          throw new DecodeError(
            `the byte before the value must be 0 (missing) or 1 (present); it is ${there}`,
            path.toString(),
          );
        }
        return there === 1 ? read(cursor, at + offset) : undefined;
      };
    }
    case "array":
      return arrayReader(shape.of, shape.length, path);
    case "struct":
      return structReader(shape, path, {});
    case "union":
      return unionReader(shape, path);
  }
}

/** `fixed`: properties that each value begins with. */
function structReader(shape: StructShape, path: Path, fixed: Readonly<Record<string, unknown>>): Read {
  const names = shape.members.map((member) => member.name);
  const offsets = shape.members.map((member) => member.offset);
  const readers = shape.members.map((member) => readerOf(member.shape, new Path(path, member.name)));
  const count = readers.length;
  const template = { ...fixed, ...Object.fromEntries(names.map((name) => [name, undefined])) };
  return (cursor, at) => {
    const value: Record<string, unknown> = { ...template };
    for (let i = 0; i < count; i++) value[names[i]!] = readers[i]!(cursor, at + offsets[i]!);
    return value;
  };
}

function unionReader({ tag, variants, size }: UnionShape, path: Path): Read {
  const shapes = variants.map((variant) => variant.shape);
  const readers = variants.map(({ name, shape }) => structReader(shape, path, { [tag]: name }));
  const tagPath = new Path(path, tag);
  return (cursor, at) => {
    const index = size === 1 ? cursor.view.getUint8(at) : cursor.view.getUint16(at, true);
    const variant = shapes[index];
    if (variant === undefined) {
      const text = `must be the position of a variant, 0 to ${shapes.length - 1}; it is ${index}`;
      throw new DecodeError(text, tagPath.toString());
    }
    const start = cursor.tail + ((cursor.base - cursor.tail) & (variant.align - 1));
    if (start + variant.size > cursor.end) {
      const what = `the variant ${JSON.stringify(variants[index]!.name)} of ${variant.size} bytes`;
      throw tooLong(path, what, cursor.end - start);
    }
    cursor.tail = start + variant.size;
    return readers[index]!(cursor, start);
  };
}

function arrayReader(of: Shape, length: number | undefined, path: Path): Read {
  const element = new Path(path);
  const read = readerOf(of, element);
  const { size, align } = of;
  const elements = (cursor: Cursor, at: number, count: number) => {
    const values = new Array<unknown>(count);
    for (let i = 0; i < count; i++) {
      element.index = i;
      values[i] = read(cursor, at + i * size);
    }
    return values;
  };
  if (length !== undefined) return (cursor, at) => elements(cursor, at, length);
  return (cursor, at) => {
    const count = cursor.view.getUint32(at, true);
    const start = cursor.tail + ((cursor.base - cursor.tail) & (align - 1));
    // Before the array is made: a count that was made up allocates nothing.
    if (start > cursor.end || count * size > cursor.end - start) {
      throw tooLong(path, `${count} elements of ${size} bytes`, cursor.end - start);
    }
    cursor.tail = start + count * size;
    return elements(cursor, start, count);
  };
}

function textReader(length: number | undefined, path: Path): Read {
  const checked = (text: string | undefined) => {
    if (text === undefined) throw new DecodeError("not valid UTF-8", path.toString());
    return text;
  };
  if (length !== undefined) {
    return ({ scratch }, at) => checked(readText(scratch, at, textEnd(scratch, at, at + length)));
  }
  return (cursor, at) => {
    const bytes = cursor.view.getUint32(at, true);
    const start = cursor.tail;
    if (bytes > cursor.end - start) throw tooLong(path, `a text of ${bytes} bytes`, cursor.end - start);
    cursor.tail = start + bytes;
    return checked(readText(cursor.scratch, start, start + bytes));
  };
}

/** Where a text of fixed length ends: at its first zero, or at `end`. */
export function textEnd(scratch: Scratch, at: number, end: number): number {
  const view = scratch.view;
  while (at < end && view.getUint8(at) !== 0) at++;
  return at;
}

function numberReader(type: NumberType, path: Path): Read {
  switch (type) {
    case "u8":
      return ({ view }, at) => view.getUint8(at);
    case "i8":
      return ({ view }, at) => view.getInt8(at);
    case "u16":
      return ({ view }, at) => view.getUint16(at, true);
    case "i16":
      return ({ view }, at) => view.getInt16(at, true);
    case "u32":
      return ({ view }, at) => view.getUint32(at, true);
    case "i32":
      return ({ view }, at) => view.getInt32(at, true);
    case "u53":
      return ({ view }, at) => {
        const value = view.getUint32(at + 4, true) * 4294967296 + view.getUint32(at, true);
        return safe(value, path);
      };
    case "i53":
      return ({ view }, at) => {
        const value = view.getInt32(at + 4, true) * 4294967296 + view.getUint32(at, true);
        return safe(value, path);
      };
    case "u64":
      return ({ view }, at) => view.getBigUint64(at, true);
    case "i64":
      return ({ view }, at) => view.getBigInt64(at, true);
    case "f32":
      return ({ view }, at) => view.getFloat32(at, true);
    case "f64":
      return ({ view }, at) => view.getFloat64(at, true);
  }
}

function safe(value: number, path: Path): number {
  if (!Number.isSafeInteger(value))
    throw new DecodeError("must be a safe integer; it is beyond 2^53", path.toString());
  return value;
}

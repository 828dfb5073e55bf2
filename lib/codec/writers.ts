import { Block, isForeignBlock } from "../bulk/block.js";
import { EncodeError } from "../errors.js";
import { attachBlock, foreignBlock } from "./blocks.js";
import { clear, isBytes, writeBytes } from "./bytes.js";
import type { Encode } from "./code.js";
import { NO_ROOM, type Scratch } from "./codec.js";
import type { NumberType, Shape, StructShape } from "./field.js";
import { describe, Path } from "./path.js";
import { ILL_FORMED, writeText } from "./utf8.js";

/*
 * Encoding by closures: one for each field, made once. It is what runs where code may not be generated from strings, and
 * it says what is wrong where the generated code only found that something is.
 *
 * Five numbers take eight to nine times as long as by the generated code, and less than a fourth of what JSON takes
 * (`npm run bench -- inside`). What costs is that all structs share these functions: each property access sees many
 * names, each call many closures.
 */

/** Where a message is being written. */
interface Cursor {
  scratch: Scratch;
  blocks: Block[];
  view: DataView;
  /** Where the message begins. */
  base: number;
  /** Where the next bytes of the tail go. */
  tail: number;
  /** Where the room ends. */
  end: number;
}

/** Writes a value into its slot at `at`, the rest of it into the tail; false if there is no room. */
type Write = (value: unknown, cursor: Cursor, at: number) => boolean;

/** Makes an encoder out of closures. `noRoom` is what it returns where there is none. */
export function closureEncoder(shape: StructShape, noRoom: (message: unknown) => number): Encode {
  const write = writerOf(shape, new Path());
  const size = shape.size;
  return (message, scratch, offset, blocks) => {
    const cursor: Cursor = {
      scratch,
      blocks,
      view: scratch.view,
      base: offset,
      tail: offset + size,
      end: scratch.length,
    };
    if (cursor.tail > cursor.end) return noRoom(message);
    return write(message, cursor, offset) ? cursor.tail - offset : noRoom(message);
  };
}

function refuse(path: Path, value: unknown, expected: string): EncodeError {
  return new EncodeError(
    value === undefined
      ? `is missing; it must be ${expected}`
      : `must be ${expected}; it is ${describe(value)}`,
    path.toString(),
  );
}

function writerOf(shape: Shape, path: Path): Write {
  switch (shape.kind) {
    case "number":
      return numberWriter(shape.type, path);
    case "bool":
      return (value, { view }, at) => {
        if (value !== true && value !== false) throw refuse(path, value, "true or false");
        view.setUint8(at, value ? 1 : 0);
        return true;
      };
    case "enum": {
      const { values, size } = shape;
      const indexes = new Map<unknown, number>(values.map((value, index) => [value, index]));
      return (value, { view }, at) => {
        const index = indexes.get(value);
        if (index === undefined) {
          const few = values.slice(0, 10).map((known) => JSON.stringify(known));
          throw refuse(path, value, `one of ${few.join(", ")}${values.length > few.length ? ", …" : ""}`);
        }
        if (size === 1) view.setUint8(at, index);
        else view.setUint16(at, index, true);
        return true;
      };
    }
    case "text":
      return textWriter(shape.length, path);
    case "bytes":
      return bytesWriter(shape.length, path);
    case "block":
      return (value, { blocks, view }, at) => {
        if (!(value instanceof Block)) {
          throw isForeignBlock(value) ? foreignBlock(path.toString()) : refuse(path, value, "a block");
        }
        view.setUint32(at, attachBlock(blocks, value), true);
        return true;
      };
    case "optional": {
      const { offset, size } = shape;
      const write = writerOf(shape.of, path);
      return (value, cursor, at) => {
        if (value === undefined) {
          clear(cursor.scratch, at, at + size);
          return true;
        }
        clear(cursor.scratch, at, at + offset);
        cursor.view.setUint8(at, 1);
        return write(value, cursor, at + offset);
      };
    }
    case "array":
      return arrayWriter(shape.of, shape.length, path);
    case "struct":
      return structWriter(shape, path);
  }
}

function structWriter(shape: StructShape, path: Path): Write {
  const { members, gaps } = shape;
  const names = members.map((member) => member.name);
  const offsets = members.map((member) => member.offset);
  const writers = members.map((member) => writerOf(member.shape, new Path(path, member.name)));
  const count = members.length;
  return (value, cursor, at) => {
    if (typeof value !== "object" || value === null)
      throw refuse(path, value, `an object: ${brief(shape.text)}`);
    const source = value as Readonly<Record<string, unknown>>;
    for (let i = 0; i < count; i++) {
      if (!writers[i]!(source[names[i]!], cursor, at + offsets[i]!)) return false;
    }
    for (const gap of gaps) clear(cursor.scratch, at + gap[0], at + gap[1]);
    return true;
  };
}

function arrayWriter(of: Shape, length: number | undefined, path: Path): Write {
  const element = new Path(path);
  const write = writerOf(of, element);
  const { size, align } = of;
  const elements = (values: readonly unknown[], count: number, cursor: Cursor, at: number) => {
    for (let i = 0; i < count; i++) {
      element.index = i;
      if (!write(values[i], cursor, at + i * size)) return false;
    }
    return true;
  };
  if (length !== undefined) {
    return (value, cursor, at) => {
      if (!Array.isArray(value)) throw refuse(path, value, `an array of ${length} elements`);
      if (value.length !== length) {
        throw new EncodeError(`must have ${length} elements; it has ${value.length}`, path.toString());
      }
      return elements(value, length, cursor, at);
    };
  }
  return (value, cursor, at) => {
    if (!Array.isArray(value)) throw refuse(path, value, "an array");
    const count = value.length;
    const start = cursor.tail + ((cursor.base - cursor.tail) & (align - 1));
    if (start + count * size > cursor.end) return false;
    clear(cursor.scratch, cursor.tail, start);
    cursor.view.setUint32(at, count, true);
    cursor.tail = start + count * size;
    return elements(value, count, cursor, start);
  };
}

function textWriter(length: number | undefined, path: Path): Write {
  return (value, cursor, at) => {
    if (typeof value !== "string") throw refuse(path, value, "a string");
    const start = length === undefined ? cursor.tail : at;
    const end = length === undefined ? cursor.end : at + length;
    const bytes = writeText(value, cursor.scratch, start, end);
    if (bytes === ILL_FORMED) {
      throw new EncodeError("the string has a lone surrogate, which UTF-8 can't carry", path.toString());
    }
    if (length === undefined) {
      if (bytes === NO_ROOM) return false;
      cursor.view.setUint32(at, bytes, true);
      cursor.tail += bytes;
      return true;
    }
    if (bytes === NO_ROOM) {
      const has = Buffer.byteLength(value);
      throw new EncodeError(`must be at most ${length} bytes of UTF-8; it is ${has}`, path.toString());
    }
    if (value.includes("\0")) {
      throw new EncodeError("must have no U+0000, which ends a text of fixed length", path.toString());
    }
    clear(cursor.scratch, at + bytes, end);
    return true;
  };
}

function bytesWriter(length: number | undefined, path: Path): Write {
  return (value, cursor, at) => {
    if (!isBytes(value)) throw refuse(path, value, "a Uint8Array");
    if (length === undefined) {
      const bytes = writeBytes(value, cursor.scratch, cursor.tail, cursor.end);
      if (bytes === NO_ROOM) return false;
      cursor.view.setUint32(at, bytes, true);
      cursor.tail += bytes;
      return true;
    }
    if (value.length !== length) {
      throw new EncodeError(`must have ${length} bytes; it has ${value.length}`, path.toString());
    }
    writeBytes(value, cursor.scratch, at, at + length);
    return true;
  };
}

/** One closure a type, each with its own inline caches: a table of setters would cost a second call. */
function numberWriter(type: NumberType, path: Path): Write {
  switch (type) {
    case "u8":
      return (value, { view }, at) => {
        if (typeof value !== "number" || (value & 0xff) !== value) throw refuse(path, value, expected.u8);
        view.setUint8(at, value);
        return true;
      };
    case "i8":
      return (value, { view }, at) => {
        if (typeof value !== "number" || (value << 24) >> 24 !== value)
          throw refuse(path, value, expected.i8);
        view.setInt8(at, value);
        return true;
      };
    case "u16":
      return (value, { view }, at) => {
        if (typeof value !== "number" || (value & 0xffff) !== value) throw refuse(path, value, expected.u16);
        view.setUint16(at, value, true);
        return true;
      };
    case "i16":
      return (value, { view }, at) => {
        if (typeof value !== "number" || (value << 16) >> 16 !== value)
          throw refuse(path, value, expected.i16);
        view.setInt16(at, value, true);
        return true;
      };
    case "u32":
      return (value, { view }, at) => {
        if (typeof value !== "number" || value >>> 0 !== value) throw refuse(path, value, expected.u32);
        view.setUint32(at, value, true);
        return true;
      };
    case "i32":
      return (value, { view }, at) => {
        if (typeof value !== "number" || (value | 0) !== value) throw refuse(path, value, expected.i32);
        view.setInt32(at, value, true);
        return true;
      };
    case "u53":
      return (value, { view }, at) => {
        if (!Number.isSafeInteger(value) || (value as number) < 0) throw refuse(path, value, expected.u53);
        view.setUint32(at, (value as number) >>> 0, true);
        view.setUint32(at + 4, (value as number) / 4294967296, true);
        return true;
      };
    case "i53":
      return (value, { view }, at) => {
        if (!Number.isSafeInteger(value)) throw refuse(path, value, expected.i53);
        view.setUint32(at, (value as number) >>> 0, true);
        view.setInt32(at + 4, Math.floor((value as number) / 4294967296), true);
        return true;
      };
    case "u64":
      return (value, { view }, at) => {
        if (typeof value !== "bigint" || BigInt.asUintN(64, value) !== value) {
          throw refuse(path, value, expected.u64);
        }
        view.setBigUint64(at, value, true);
        return true;
      };
    case "i64":
      return (value, { view }, at) => {
        if (typeof value !== "bigint" || BigInt.asIntN(64, value) !== value)
          throw refuse(path, value, expected.i64);
        view.setBigInt64(at, value, true);
        return true;
      };
    case "f32":
      return (value, { view }, at) => {
        if (typeof value !== "number" || (!Number.isFinite(Math.fround(value)) && Number.isFinite(value))) {
          throw refuse(path, value, expected.f32);
        }
        view.setFloat32(at, value, true);
        return true;
      };
    case "f64":
      return (value, { view }, at) => {
        if (typeof value !== "number") throw refuse(path, value, expected.f64);
        view.setFloat64(at, value, true);
        return true;
      };
  }
}

const expected: Readonly<Record<NumberType, string>> = {
  u8: "an integer from 0 to 255",
  i8: "an integer from -128 to 127",
  u16: "an integer from 0 to 65535",
  i16: "an integer from -32768 to 32767",
  u32: "an integer from 0 to 4294967295",
  i32: "an integer from -2147483648 to 2147483647",
  u53: "an integer from 0 to 9007199254740991",
  i53: "an integer from -9007199254740991 to 9007199254740991",
  u64: "a bigint from 0 to 2^64 - 1",
  i64: "a bigint from -2^63 to 2^63 - 1",
  f32: "a number of single precision",
  f64: "a number",
};

function brief(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

import { Block, isForeignBlock } from "../bulk/block.js";
import { EncodeError } from "../errors.js";
import { attachBlock, foreignBlock } from "./blocks.js";
import { clear, isBytes, writeBytes } from "./bytes.js";
import type { Encode } from "./code.js";
import { NO_ROOM } from "./codec.js";
import type { RootShape, Shape, StructShape, UnionShape } from "./field.js";
import { keepMade, type MakeRoom, putMade } from "./growth.js";
import { keptWith } from "./kept.js";
import { numberWriter } from "./number-writers.js";
import { Path } from "./path.js";
import { encodeErrorOf, refusal } from "./refusal.js";
import { ILL_FORMED, writeText } from "./utf8.js";
import { type Cursor, hasRoom, refuse, type Write } from "./writing.js";

/*
 * Encoding by closures: one for each field, made once. It is what runs where code may not be generated from strings, and
 * it says what is wrong where the generated code only found that something is.
 *
 * Five numbers take eight to nine times as long as by the generated code, and less than a fourth of what JSON takes
 * (`npm run bench -- inside`). What costs is that all structs share these functions: each property access sees many
 * names, each call many closures.
 */

/** Makes an encoder out of closures. `makeRoom` is asked where there is none. */
export function closureEncoder(shape: RootShape, makeRoom: MakeRoom): Encode {
  const write = writerOf(shape, new Path());
  const { size } = shape;
  return (message, scratch, offset, blocks) => {
    const kept = keptWith(blocks);
    if (kept !== undefined) return putMade(kept, scratch, offset, blocks);
    const cursor: Cursor = {
      scratch,
      blocks,
      view: scratch.view,
      base: offset,
      tail: offset,
      end: scratch.length,
      message,
      makeRoom,
      result: 0,
    };
    try {
      if (!hasRoom(cursor, offset + size)) return cursor.result;
      cursor.tail = offset + size;
      if (!write(message, cursor, offset)) return cursor.result;
    } catch (thrown) {
      throw encodeErrorOf(thrown);
    }
    return cursor.scratch === scratch
      ? cursor.tail - offset
      : keepMade(cursor.scratch, offset, cursor.tail, blocks);
  };
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
        if (index === undefined) throw refuse(path, value, oneOf(values));
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
          throw isForeignBlock(value)
            ? refusal(foreignBlock(path.toString()))
            : refuse(path, value, "a block");
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
    case "union":
      return unionWriter(shape, path);
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

function unionWriter({ tag, variants, size, text }: UnionShape, path: Path): Write {
  const names = variants.map((variant) => variant.name);
  const indexes = new Map<unknown, number>(names.map((name, index) => [name, index]));
  const shapes = variants.map((variant) => variant.shape);
  const writers = shapes.map((shape) => structWriter(shape, path));
  const tagPath = new Path(path, tag);
  return (value, cursor, at) => {
    if (typeof value !== "object" || value === null) throw refuse(path, value, `an object: ${brief(text)}`);
    const name = (value as Readonly<Record<string, unknown>>)[tag];
    const index = indexes.get(name);
    if (index === undefined) throw refuse(tagPath, name, oneOf(names));
    const variant = shapes[index]!;
    const start = cursor.tail + ((cursor.base - cursor.tail) & (variant.align - 1));
    if (!hasRoom(cursor, start + variant.size)) return false;
    if (size === 1) cursor.view.setUint8(at, index);
    else cursor.view.setUint16(at, index, true);
    clear(cursor.scratch, cursor.tail, start);
    cursor.tail = start + variant.size;
    return writers[index]!(value, cursor, start);
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
        throw refusal(
          new EncodeError(`must have ${length} elements; it has ${value.length}`, path.toString()),
        );
      }
      return elements(value, length, cursor, at);
    };
  }
  return (value, cursor, at) => {
    if (!Array.isArray(value)) throw refuse(path, value, "an array");
    const count = value.length;
    const start = cursor.tail + ((cursor.base - cursor.tail) & (align - 1));
    if (!hasRoom(cursor, start + count * size)) return false;
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
    let bytes = writeText(value, cursor.scratch, start, end);
    if (bytes === NO_ROOM && length === undefined) {
      if (!hasRoom(cursor, start + Buffer.byteLength(value))) return false;
      bytes = writeText(value, cursor.scratch, start, cursor.end);
    }
    if (bytes === ILL_FORMED) {
      throw refusal(
        new EncodeError("the string has a lone surrogate, which UTF-8 can't carry", path.toString()),
      );
    }
    if (length === undefined) {
      cursor.view.setUint32(at, bytes, true);
      cursor.tail += bytes;
      return true;
    }
    if (bytes === NO_ROOM) {
      const has = Buffer.byteLength(value);
      throw refusal(
        new EncodeError(`must be at most ${length} bytes of UTF-8; it is ${has}`, path.toString()),
      );
    }
    if (value.includes("\0")) {
      throw refusal(
        new EncodeError("must have no U+0000, which ends a text of fixed length", path.toString()),
      );
    }
    clear(cursor.scratch, at + bytes, end);
    return true;
  };
}

function bytesWriter(length: number | undefined, path: Path): Write {
  return (value, cursor, at) => {
    if (!isBytes(value)) throw refuse(path, value, "a Uint8Array");
    if (length === undefined) {
      if (!hasRoom(cursor, cursor.tail + value.length)) return false;
      const bytes = writeBytes(value, cursor.scratch, cursor.tail, cursor.end);
      cursor.view.setUint32(at, bytes, true);
      cursor.tail += bytes;
      return true;
    }
    if (value.length !== length) {
      throw refusal(new EncodeError(`must have ${length} bytes; it has ${value.length}`, path.toString()));
    }
    writeBytes(value, cursor.scratch, at, at + length);
    return true;
  };
}

function oneOf(values: readonly string[]): string {
  const few = values.slice(0, 10).map((known) => JSON.stringify(known));
  return `one of ${few.join(", ")}${values.length > few.length ? ", …" : ""}`;
}

function brief(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

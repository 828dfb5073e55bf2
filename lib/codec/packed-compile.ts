import { canGenerate } from "./code.js";

/*
 * What writes and reads the objects of a shape: a loop over the keys at first, and a function that is generated from them when the shape has come
 * some times. To generate one takes as long as some hundred objects. Nothing of a message is put into the code but keys, as string literals.
 */

/** A writer of values; generated code calls it by these names. */
export interface ValueWriter<Shape> {
  text(text: string): void;
  number(number: number): void;
  value(value: unknown, key: string | number): void;
  /** Called before the values of an object. */
  enter(shape: Shape, object: object): void;
  leave(): void;
  /** Writes an object that is not plain. */
  uncommon(object: object, key: string | number, toJSON: unknown): void;
  /** Returns what to throw on for what was thrown at the value of this key. */
  within(thrown: unknown, key: string): unknown;
}

/** A reader of values; generated code looks at the tags of small integers by itself. */
export interface ValueReader {
  readonly buffer: Buffer;
  at: number;
  value(): unknown;
}

export interface WrittenShape {
  readonly keys: readonly string[];
  /** How many objects were written. */
  uses: number;
  write: WriteFields;
}

export interface ReadShape {
  readonly keys: readonly string[];
  /** How many objects were read. */
  uses: number;
  read: ReadFields;
}

/**
 * Writes an object of a shape; `key` is its own in the object around it. `checked`: it is known to have the keys, and no toJSON. Otherwise the writer
 * is called back for an object that is not plain.
 */
export type WriteFields = <Shape extends WrittenShape>(
  writer: ValueWriter<Shape>,
  object: object,
  shape: Shape,
  key: string | number,
  checked: boolean,
) => void;

/** Reads the values of an object of a shape. */
export type ReadFields = (reader: ValueReader, shape: ReadShape) => object;

const ENOUGH_USES = 16;
/** The most shapes whose functions are kept for other lanes. */
const MOST_KEPT = 2048;

interface Functions {
  write?: WriteFields;
  read?: ReadFields;
}

const kept = new Map<string, Functions>();
let generates: boolean | undefined;

const { getPrototypeOf } = Object;
const plain = Object.prototype;

/** Writes an object by a loop. */
export const writeInTurn: WriteFields = (writer, object, shape, key, checked) => {
  if (!checked) {
    const { toJSON } = object as { toJSON?: unknown };
    if (typeof toJSON === "function" || getPrototypeOf(object) !== plain) {
      writer.uncommon(object, key, toJSON);
      return;
    }
  }
  writer.enter(shape, object);
  const { keys } = shape;
  let i = 0;
  try {
    for (; i < keys.length; i++) writer.value((object as Record<string, unknown>)[keys[i]!], keys[i]!);
  } catch (thrown) {
    throw writer.within(thrown, keys[i]!);
  }
  writer.leave();
  if (++shape.uses === ENOUGH_USES && mayGenerate()) {
    const functions = functionsFor(shape.keys);
    functions.write ??= generateWrite(shape.keys);
    shape.write = functions.write;
  }
};

/** Reads an object by a loop. */
export const readInTurn: ReadFields = (reader, shape) => {
  const object: Record<string, unknown> = {};
  for (const key of shape.keys) put(object, key, reader.value());
  if (++shape.uses === ENOUGH_USES && mayGenerate()) {
    const functions = functionsFor(shape.keys);
    functions.read ??= generateRead(shape.keys);
    shape.read = functions.read;
  }
  return object;
};

/** Gives an object a property of its own, as JSON.parse does: no setter is called, and no prototype changed. */
export function put(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key in object)
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  else object[key] = value;
}

function mayGenerate(): boolean {
  generates ??= canGenerate();
  return generates;
}

function functionsFor(keys: readonly string[]): Functions {
  const name = JSON.stringify(keys);
  let functions = kept.get(name);
  if (functions === undefined) {
    // A peer may introduce shapes without end.
    if (kept.size === MOST_KEPT) kept.clear();
    functions = {};
    kept.set(name, functions);
  }
  return functions;
}

function generateWrite(keys: readonly string[]): WriteFields {
  const lines = keys.map((key, i) => {
    const name = JSON.stringify(key);
    return `at = ${i}; v = object[${name}];
      if (typeof v === "string") writer.text(v);
      else if (typeof v === "number") writer.number(v);
      else writer.value(v, ${name});`;
  });
  const body = `"use strict";
    return function (writer, object, shape, key, checked) {
      if (checked === false) {
        const toJSON = object.toJSON;
        if (typeof toJSON === "function" || getPrototypeOf(object) !== plain) {
          writer.uncommon(object, key, toJSON);
          return;
        }
      }
      writer.enter(shape, object);
      let at = 0, v;
      try {
        ${lines.join("\n")}
      } catch (thrown) {
        throw writer.within(thrown, shape.keys[at]);
      }
      writer.leave();
    };`;
  return new Function("getPrototypeOf", "plain", body)(getPrototypeOf, plain) as WriteFields;
}

function generateRead(keys: readonly string[]): ReadFields {
  // A small integer is the most common value that is read in no time.
  const lines = keys.map(
    (_, i) =>
      `tag = buffer[reader.at]; let v${i}; if (tag < 128) { reader.at++; v${i} = tag; } else v${i} = reader.value();`,
  );
  // In brackets "__proto__" is a property like others. Brackets are slower.
  const fields = keys.map(
    (key, i) => `${key === "__proto__" ? '["__proto__"]' : JSON.stringify(key)}: v${i}`,
  );
  const body = `"use strict";
    return function (reader) {
      const buffer = reader.buffer;
      let tag = 0;
      ${lines.join("\n")}
      return { ${fields.join(", ")} };
    };`;
  return new Function(body)() as ReadFields;
}

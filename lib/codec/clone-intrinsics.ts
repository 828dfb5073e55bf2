import { deserialize, serialize } from "node:v8";

/*
 * The content of objects of the language, read by its own functions, as V8's serializer does: what a program has put in the place of a getter or an
 * iterator is not called. They work on objects of any realm.
 */

export const getTime = Date.prototype.getTime;
export const mapEntries = Map.prototype.entries;
export const setValues = Set.prototype.values;

const getterOf = (prototype: object, name: string) => Object.getOwnPropertyDescriptor(prototype, name)?.get;

/** The flags of a regular expression with their bits. A version of Node may lack the last ones. */
const FLAGS = (
  [
    ["global", 1],
    ["ignoreCase", 2],
    ["multiline", 4],
    ["sticky", 8],
    ["unicode", 16],
    ["dotAll", 32],
    ["hasIndices", 128],
    ["unicodeSets", 256],
  ] as const
).map(([name, bit]) => ({ get: getterOf(RegExp.prototype, name), bit }));

const source = getterOf(RegExp.prototype, "source")!;

export function sourceOf(expression: RegExp): string {
  return source.call(expression) as string;
}

/** The flags as the format has them. */
export function flagsOf(expression: RegExp): number {
  return FLAGS.reduce((flags, { get, bit }) => (get?.call(expression) === true ? flags | bit : flags), 0);
}

const unboxers = [Boolean, Number, String, BigInt, Symbol].map(
  (type) => (type.prototype as { valueOf(): unknown }).valueOf,
);

/** The primitive in an object such as `Object(1)`. */
export function unboxed(object: object): unknown {
  for (const unbox of unboxers) {
    try {
      return unbox.call(object);
    } catch {
      // Another one.
    }
  }
  return undefined;
}

/** The bytes of an ArrayBuffer; `undefined` if it was transferred. */
export function bytesOf(memory: ArrayBuffer): Uint8Array | undefined {
  try {
    return new Uint8Array(memory);
  } catch {
    return undefined;
  }
}

export function isDOMException(object: object): object is DOMException {
  return Object.prototype.isPrototypeOf.call(DOMException.prototype, object);
}

let cyclicCauses: boolean | undefined;

/** Whether V8 can read an error that its own cause leads to. Not in Node 20. */
export function readsCyclicCauses(): boolean {
  cyclicCauses ??= tryCyclicCause();
  return cyclicCauses;
}

function tryCyclicCause(): boolean {
  const error = new Error("its own cause");
  error.cause = error;
  try {
    deserialize(serialize(error));
    return true;
  } catch {
    return false;
  }
}

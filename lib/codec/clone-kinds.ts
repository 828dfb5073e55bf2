import { types } from "node:util";
import {
  isArgumentsObject,
  isGeneratorObject,
  isMapIterator,
  isModuleNamespaceObject,
  isPromise,
  isProxy,
  isSetIterator,
  isSharedArrayBuffer,
  isWeakMap,
  isWeakSet,
} from "node:util/types";

/** Deno has no such function, so it must not be imported by name. */
const isExternal = types.isExternal as typeof types.isExternal | undefined;

/*
 * Which objects `clone()` may take for plain ones, with nothing but their properties. V8's serializer can't tell: a URL, Headers or a
 * DOMException is a plain object to it, and would arrive as {}. Here nobody's getters run.
 */

/** Classes of the language whose instances have content apart from their properties, but no `Symbol.toStringTag`. */
const WITH_SLOTS = new Set([
  ...["Date", "RegExp", "Boolean", "Number", "String"],
  ...["Error", "AggregateError", "EvalError", "RangeError", "ReferenceError", "SuppressedError"],
  ...["SyntaxError", "TypeError", "URIError"],
]);

/** Global classes that programs derive plain objects from, as `util.inherits(MyError, Error)` does. */
const BASES = new Set(["Object", "Array", "Map", "Set", "Iterator", "EventTarget", ...WITH_SLOTS]);

/** Where built-in classes are. */
const SPACES = [globalThis, Intl, Reflect.get(globalThis, "WebAssembly") as object];

/** The knowledge about objects with a certain prototype. */
interface Verdict {
  /** Whether all its objects are plain: their classes are the program's, and say nothing else. */
  readonly plain: boolean;
  /** The name of the class of the platform that it comes from. */
  readonly platform: string | undefined;
  /** Whether an object without properties may arrive as {}; `undefined`: not known yet. */
  empty: boolean | undefined;
}

const verdicts = new WeakMap<object, Verdict>();

/** Whether all objects with this prototype are plain. Hot for instances of the program's classes. */
export function isPlainPrototype(prototype: object): boolean {
  return verdictOf(prototype).plain;
}

/**
 * Returns the reason for which an object of none of the kinds of V8's serializer can't be sent. Returns undefined for one that
 * is taken for a plain object.
 */
export function refusalOf(object: object): string | undefined {
  if (isSharedArrayBuffer(object))
    return "a SharedArrayBuffer can't be shared with another process; send a copy, or a block";
  if (object === globalThis) return "the global object can't be cloned";
  const name = exoticName(object);
  if (name !== undefined) return `${name} can't be cloned`;
  const prototype = Object.getPrototypeOf(object) as object | null;
  if (prototype === null) return undefined;
  const verdict = verdictOf(prototype);
  if (verdict.platform !== undefined)
    return `a ${verdict.platform} can't be cloned${adviceFor(verdict.platform)}`;
  return undefined;
}

/** As `refusalOf`, of an object of a class that has no properties to send: it may hide what it has, and must not arrive as {}. */
export function refusalOfEmpty(object: object): string | undefined {
  const prototype = Object.getPrototypeOf(object) as object | null;
  if (prototype === null) return undefined;
  const verdict = verdictOf(prototype);
  verdict.empty ??= !(Symbol.toStringTag in prototype) && isClonedAsEmpty(object);
  return verdict.empty ? undefined : `a ${nameOf(prototype) ?? "native object"} can't be cloned`;
}

function exoticName(object: object): string | undefined {
  if (isPromise(object)) return "a Promise";
  if (isWeakMap(object)) return "a WeakMap";
  if (isWeakSet(object)) return "a WeakSet";
  if (isGeneratorObject(object)) return "a generator";
  if (isMapIterator(object) || isSetIterator(object)) return "an iterator";
  if (isModuleNamespaceObject(object)) return "a module namespace";
  if (isArgumentsObject(object)) return "an arguments object";
  if (isExternal?.(object)) return "a native object";
  return undefined;
}

function verdictOf(prototype: object): Verdict {
  let verdict = verdicts.get(prototype);
  if (verdict === undefined) {
    verdict = judge(prototype);
    verdicts.set(prototype, verdict);
  }
  return verdict;
}

function judge(prototype: object): Verdict {
  let plain = true;
  let at: object | null = prototype;
  while (at !== null) {
    if (isProxy(at)) return { plain: false, platform: undefined, empty: undefined };
    const platform = platformName(at);
    if (platform !== undefined) return { plain: false, platform, empty: false };
    if (Object.hasOwn(at, Symbol.toStringTag)) plain = false;
    const type = constructorOf(at);
    if (type !== undefined && WITH_SLOTS.has(functionName(type) ?? "")) plain = false;
    at = Object.getPrototypeOf(at) as object | null;
  }
  return { plain, platform: undefined, empty: undefined };
}

/** The name of the class if the prototype is that of one of the platform's. */
function platformName(prototype: object): string | undefined {
  const type = constructorOf(prototype);
  const name = type && functionName(type);
  // By these Node knows what it can transfer, such as a FileHandle, which is no global class.
  const isTransferable = Object.getOwnPropertySymbols(prototype).some(({ description }) =>
    description?.startsWith("messaging_"),
  );
  if (isTransferable) return name ?? "native object";
  if (name === undefined || BASES.has(name)) return undefined;
  return SPACES.some((space) => isBuiltIn(space, name, type)) ? name : undefined;
}

/** Built-in classes are not enumerable; those that a program puts there are. */
function isBuiltIn(space: object, name: string, type: unknown): boolean {
  const property = Object.getOwnPropertyDescriptor(space, name);
  if (property === undefined || property.enumerable === true) return false;
  // Node makes some only when they are asked for.
  return (property.get === undefined ? property.value : property.get.call(space)) === type;
}

function constructorOf(prototype: object): object | undefined {
  const value: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  return typeof value === "function" ? value : undefined;
}

function functionName(type: object): string | undefined {
  const value: unknown = Object.getOwnPropertyDescriptor(type, "name")?.value;
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** The name of the nearest class. */
function nameOf(prototype: object): string | undefined {
  const type = constructorOf(prototype);
  return type && functionName(type);
}

/** Asks Node's own algorithm, which knows its native objects. There are no properties, so no code of the program runs. */
function isClonedAsEmpty(object: object): boolean {
  try {
    return Object.getPrototypeOf(structuredClone(object)) === Object.prototype;
  } catch {
    return false;
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  URL: "its href",
  URLSearchParams: "its toString()",
  Headers: "Object.fromEntries(headers)",
  Blob: "its bytes: await blob.arrayBuffer()",
  File: "its bytes: await file.arrayBuffer()",
  KeyObject: "what its export() returns",
  SecretKeyObject: "what its export() returns",
  PublicKeyObject: "what its export() returns",
  PrivateKeyObject: "what its export() returns",
};

function adviceFor(name: string): string {
  const advice = ADVICE[name];
  return advice === undefined ? "" : `; send ${advice}`;
}

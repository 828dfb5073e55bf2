import {
  isAnyArrayBuffer,
  isArgumentsObject,
  isBoxedPrimitive,
  isDate,
  isMap,
  isNativeError,
  isProxy,
  isRegExp,
  isSet,
  isSharedArrayBuffer,
} from "node:util/types";
import { Block, isForeignBlock } from "../bulk/block.js";
import { EncodeError } from "../errors.js";
import { foreignBlock } from "./blocks.js";
import {
  bytesOf,
  flagsOf,
  getTime,
  isDOMException,
  mapEntries,
  readsCyclicCauses,
  setValues,
  sourceOf,
  unboxed,
} from "./clone-intrinsics.js";
import { isPlainPrototype, refusalOf, refusalOfEmpty } from "./clone-kinds.js";
import { Output } from "./clone-output.js";
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
  NULL,
  NUMBER_OBJECT,
  REFERENCE,
  REGEXP,
  RESIZABLE_ARRAY_BUFFER,
  STRING_OBJECT,
  TRUE,
  TRUE_OBJECT,
  UNDEFINED,
  VERSION,
} from "./clone-tags.js";
import { BLOCK, BUFFER, DOM_EXCEPTION, numberOfView } from "./clone-views.js";
import { joinKey } from "./path.js";
import { lengthOf } from "./views.js";

/*
 * Writes a message in version 15 of the format of V8's serializer, which V8 has written since 2020 and will always read. Not by V8 itself: that
 * asks nobody about most objects, so it would make {} of a URL and stumble over a block half-way, with getters run in vain. Here each value is
 * looked at once, and its place is known. It takes about as long.
 */

/** From so many objects on a Map finds one faster than a loop. */
const MANY = 12;
/** An array with more holes than this, and than elements, goes by its elements alone. */
const MANY_HOLES = 1024;

/** How the keys of a container are shown in a path. */
const KEYS = 0;
const MAP_KEYS = 1;
const MAP_VALUES = 2;
const SET_VALUES = 3;

/** Has thrown an error that says what is wrong, and where. */
class Fault {
  constructor(readonly error: EncodeError) {}
}

export class CloneWriter {
  readonly #output = new Output();
  /** The objects that were met, each with its position as number; `undefined` for one that stands only once. */
  readonly #objects: (object | undefined)[] = [];
  #numbers: Map<object, number> | undefined;
  #blocks: Block[] = [];
  /** Where it is in the message, for errors: a key for each container, and how it is shown. */
  readonly #keys: unknown[] = [];
  readonly #shown: number[] = [];
  #depth = 0;
  /** The errors whose causes are being written, where the receiver's V8 can't have a cycle through one. */
  readonly #errors: object[] = [];

  /** The bytes of the last message, until `reset`. */
  get bytes(): Uint8Array {
    return this.#output.bytes;
  }

  /** Writes a message. Returns the blocks in it: each has its position as number. Throws an EncodeError, or a BlockError. */
  write(message: unknown): readonly Block[] {
    const output = this.#output;
    try {
      output.byte(VERSION);
      output.varint(FORMAT);
      this.#value(message);
      return this.#blocks;
    } catch (thrown) {
      throw thrown instanceof Fault ? thrown.error : this.#failed(thrown);
    }
  }

  /** As `bytes`, for good. */
  take(): Uint8Array {
    return this.#output.take();
  }

  get length(): number {
    return this.#output.length;
  }

  /** Makes it ready for the next message. */
  reset(): void {
    this.#output.reset();
    this.#objects.length = 0;
    this.#numbers = undefined;
    if (this.#blocks.length > 0) this.#blocks = [];
    this.#keys.length = 0;
    this.#depth = 0;
    this.#errors.length = 0;
  }

  #value(value: unknown): void {
    const output = this.#output;
    switch (typeof value) {
      case "string":
        output.text(value);
        break;
      case "number":
        output.number(value);
        break;
      case "boolean":
        output.byte(value ? TRUE : FALSE);
        break;
      case "undefined":
        output.byte(UNDEFINED);
        break;
      case "bigint":
        output.byte(BIGINT);
        output.bigint(value);
        break;
      case "object":
        if (value === null) output.byte(NULL);
        else this.#object(value);
        break;
      default:
        this.#refuse(`a ${typeof value} can't be cloned`);
    }
  }

  #object(object: object): void {
    if (this.#isKnown(object)) return;
    // First: all else asks the handler of a proxy.
    if (isProxy(object)) this.#refuse("a proxy can't be cloned");
    if (Array.isArray(object)) {
      this.#array(object);
      return;
    }
    const prototype = Object.getPrototypeOf(object) as object | null;
    if (prototype === Object.prototype) {
      if (isArgumentsObject(object)) this.#refuse("an arguments object can't be cloned");
      this.#plain(object);
    } else if (object instanceof Block) {
      this.#host(BLOCK);
      // A block that stands twice is refused later, not written as a reference.
      this.#forget(object);
      this.#output.varint(this.#blocks.push(object) - 1);
    } else if (prototype !== null && isPlainPrototype(prototype)) {
      this.#instance(object);
    } else {
      this.#special(object);
    }
  }

  /** Writes a reference if the object was written before; otherwise notes it. V8 numbers them alike as it reads. */
  #isKnown(object: object): boolean {
    const objects = this.#objects;
    let number = -1;
    if (this.#numbers === undefined) {
      number = objects.indexOf(object);
      if (number === -1 && objects.length === MANY) {
        this.#numbers = new Map();
        for (const [index, known] of objects.entries())
          if (known !== undefined) this.#numbers.set(known, index);
      }
    } else {
      number = this.#numbers.get(object) ?? -1;
    }
    if (number === -1) {
      this.#numbers?.set(object, objects.length);
      objects.push(object);
      return false;
    }
    if (this.#errors.includes(object))
      this.#refuse("an error that is its own cause can't be cloned by this version of Node");
    this.#output.byte(REFERENCE);
    this.#output.varint(number);
    return true;
  }

  /** Takes back the note of the last object. Its number stays. */
  #forget(object: object): void {
    this.#numbers?.delete(object);
    this.#objects[this.#objects.length - 1] = undefined;
  }

  #plain(object: object): void {
    const keys = Object.keys(object);
    this.#output.byte(BEGIN_OBJECT);
    this.#output.end(END_OBJECT, this.#properties(object, keys));
  }

  /** An object of a class of the program's: its properties. */
  #instance(object: object): void {
    if (isForeignBlock(object)) throw new Fault(foreignBlock(this.#path()));
    const keys = Object.keys(object);
    if (keys.length === 0) {
      const refusal = refusalOfEmpty(object);
      if (refusal !== undefined) this.#refuse(refusal);
    }
    this.#output.byte(BEGIN_OBJECT);
    this.#output.end(END_OBJECT, this.#properties(object, keys));
  }

  /** Writes the properties with these keys. Returns how many: a getter may have deleted others. */
  #properties(object: object, keys: readonly string[]): number {
    const depth = this.#enter(KEYS);
    let written = 0;
    for (const key of keys) {
      this.#keys[depth] = key;
      const value = (object as Record<string, unknown>)[key];
      if (value === undefined && !Object.hasOwn(object, key)) continue;
      this.#key(key);
      this.#value(value);
      written++;
    }
    this.#depth = depth;
    return written;
  }

  /** V8 writes a key that is an index as a number. */
  #key(key: string): void {
    const first = key.charCodeAt(0);
    if (first >= 0x30 && first <= 0x39) {
      const index = Number(key) >>> 0;
      if (String(index) === key && index !== 0xffff_ffff) {
        this.#output.number(index);
        return;
      }
    }
    this.#output.text(key);
  }

  #array(array: readonly unknown[]): void {
    const output = this.#output;
    const { length } = array;
    const keys = Object.keys(array);
    if (length > MANY_HOLES && length - keys.length > Math.max(MANY_HOLES, keys.length)) {
      output.byte(BEGIN_SPARSE_ARRAY);
      output.varint(length);
      output.end(END_SPARSE_ARRAY, this.#properties(array, keys));
      output.varint(length);
      return;
    }
    output.byte(BEGIN_DENSE_ARRAY);
    output.varint(length);
    const depth = this.#enter(KEYS);
    // The keys of elements come first, in order. A hole may have a value in the prototype.
    const isFull = keys[length - 1] === String(length - 1);
    let elements = 0;
    for (let i = 0; i < length; i++) {
      this.#keys[depth] = i;
      if (isFull || Object.hasOwn(array, i)) {
        this.#value(array[i]);
        elements++;
      } else {
        output.byte(HOLE);
      }
    }
    this.#depth = depth;
    // Others than the elements stand behind them.
    const others = keys.length > elements ? this.#properties(array, keys.filter(isName)) : 0;
    output.end(END_DENSE_ARRAY, others);
    output.varint(length);
  }

  /** Writes an object that may have content apart from its properties. Kinds are tried in the order in which V8 does it. */
  #special(object: object): void {
    const output = this.#output;
    if (isForeignBlock(object)) throw new Fault(foreignBlock(this.#path()));
    if (ArrayBuffer.isView(object)) {
      this.#view(object);
    } else if (isMap(object)) {
      this.#map(object);
    } else if (isSet(object)) {
      this.#set(object);
    } else if (isDate(object)) {
      output.byte(DATE);
      output.double(getTime.call(object));
    } else if (isDOMException(object)) {
      this.#domException(object);
    } else if (isNativeError(object)) {
      this.#error(object);
    } else if (isRegExp(object)) {
      output.byte(REGEXP);
      output.text(sourceOf(object));
      output.varint(flagsOf(object));
    } else if (isAnyArrayBuffer(object) && !isSharedArrayBuffer(object)) {
      this.#arrayBuffer(object as ArrayBuffer);
    } else if (isBoxedPrimitive(object)) {
      this.#boxed(object);
    } else {
      const refusal = refusalOf(object);
      if (refusal !== undefined) this.#refuse(refusal);
      this.#instance(object);
    }
  }

  #host(number: number): void {
    this.#output.byte(HOST_OBJECT);
    this.#output.varint(number);
  }

  #view(view: ArrayBufferView): void {
    const byteLength = lengthOf(view);
    if (byteLength === undefined) throw this.#fault("a view that has lost its memory can't be cloned");
    if (isSharedArrayBuffer(view.buffer))
      this.#refuse(
        "a view of a SharedArrayBuffer can't be shared with another process; send a copy: slice()",
      );
    const number = Buffer.isBuffer(view) ? BUFFER : numberOfView(view);
    if (number === undefined) throw this.#fault("a view of this kind can't be cloned");
    this.#host(number);
    this.#output.varint(byteLength);
    this.#output.raw(new Uint8Array(view.buffer, view.byteOffset, byteLength));
  }

  #arrayBuffer(memory: ArrayBuffer): void {
    const output = this.#output;
    const bytes = bytesOf(memory);
    if (bytes === undefined) throw this.#fault("an ArrayBuffer that was transferred can't be cloned");
    const { resizable, maxByteLength } = memory as ArrayBuffer & {
      resizable?: boolean;
      maxByteLength: number;
    };
    output.byte(resizable === true ? RESIZABLE_ARRAY_BUFFER : ARRAY_BUFFER);
    output.varint(bytes.length);
    if (resizable === true) output.varint(maxByteLength);
    output.raw(bytes);
  }

  #map(map: Map<unknown, unknown>): void {
    const depth = this.#enter(MAP_KEYS);
    // A copy of the entries: a getter might add some.
    const entries = [...mapEntries.call(map)];
    this.#output.byte(BEGIN_MAP);
    for (const [key, value] of entries) {
      this.#keys[depth] = key;
      this.#shown[depth] = MAP_KEYS;
      this.#value(key);
      this.#shown[depth] = MAP_VALUES;
      this.#value(value);
    }
    this.#depth = depth;
    this.#output.end(END_MAP, entries.length * 2);
  }

  #set(set: Set<unknown>): void {
    const depth = this.#enter(SET_VALUES);
    const values = [...setValues.call(set)];
    this.#output.byte(BEGIN_SET);
    for (const value of values) this.#value(value);
    this.#depth = depth;
    this.#output.end(END_SET, values.length);
  }

  #boxed(object: object): void {
    const output = this.#output;
    const value = unboxed(object);
    switch (typeof value) {
      case "boolean":
        output.byte(value ? TRUE_OBJECT : FALSE_OBJECT);
        break;
      case "number":
        output.byte(NUMBER_OBJECT);
        output.double(value);
        break;
      case "bigint":
        output.byte(BIGINT_OBJECT);
        output.bigint(value);
        break;
      case "string":
        output.byte(STRING_OBJECT);
        output.text(value);
        break;
      default:
        this.#refuse("a symbol can't be cloned");
    }
  }

  /** Writes the parts of an error that `structuredClone` keeps: its class if it is one of the language's, message, stack and cause. */
  #error(error: Error): void {
    const output = this.#output;
    const depth = this.#enter(KEYS);
    output.byte(ERROR);
    this.#keys[depth] = "name";
    const type = ERROR_CLASSES.get(String(error.name));
    if (type !== undefined) output.byte(type);
    this.#keys[depth] = "message";
    const message = Object.getOwnPropertyDescriptor(error, "message");
    if (message !== undefined && "value" in message) {
      output.byte(ERROR_MESSAGE);
      output.text(String(message.value));
    }
    this.#keys[depth] = "stack";
    const { stack } = error;
    // Before the cause: from Node 22 on V8 reads them in this order only.
    if (typeof stack === "string") {
      output.byte(ERROR_STACK);
      output.text(stack);
    }
    this.#keys[depth] = "cause";
    const cause = Object.getOwnPropertyDescriptor(error, "cause");
    if (cause !== undefined && "value" in cause) {
      output.byte(ERROR_CAUSE);
      if (!readsCyclicCauses()) this.#errors.push(error);
      this.#value(cause.value);
      if (!readsCyclicCauses()) this.#errors.pop();
    }
    this.#depth = depth;
    output.byte(ERROR_END);
  }

  #domException(error: DOMException): void {
    const { name, message, stack } = error;
    const { quota, requested } = error as { quota?: unknown; requested?: unknown };
    this.#host(DOM_EXCEPTION);
    this.#output.text(name);
    this.#output.text(message);
    this.#output.text(typeof stack === "string" ? stack : "");
    // Of a QuotaExceededError.
    this.#value(typeof quota === "number" ? quota : null);
    this.#value(typeof requested === "number" ? requested : null);
  }

  /** Goes into a container; its depth is to be restored when it is left. */
  #enter(shown: number): number {
    const depth = this.#depth++;
    this.#shown[depth] = shown;
    return depth;
  }

  #path(): string {
    let path = "";
    for (let depth = 0; depth < this.#depth; depth++)
      path = shownPath(path, this.#shown[depth]!, this.#keys[depth]);
    return path;
  }

  #refuse(message: string): never {
    throw this.#fault(message);
  }

  #fault(message: string): Fault {
    return new Fault(new EncodeError(message, this.#path()));
  }

  /** The error for what code of the program has thrown, or V8. */
  #failed(cause: unknown): EncodeError {
    const why = cause instanceof Error ? cause.message : String(cause);
    return new EncodeError(`the message can't be cloned: ${why}`, this.#path(), { cause });
  }
}

function shownPath(before: string, shown: number, key: unknown): string {
  if (shown === SET_VALUES) return `${before}.values()`;
  if (shown === MAP_KEYS) return `${before}.keys()`;
  if (shown === MAP_VALUES) return `${before}.get(${typeof key === "string" ? JSON.stringify(key) : "…"})`;
  return typeof key === "number" ? `${before}[${key}]` : joinKey(before, key as string);
}

/** Whether a key of an array is not that of an element. */
function isName(key: string): boolean {
  const index = Number(key) >>> 0;
  return String(index) !== key || index === 0xffff_ffff;
}

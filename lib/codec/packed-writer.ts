import {
  isAnyArrayBuffer,
  isBoxedPrimitive,
  isDate,
  isMap,
  isSet,
  isSharedArrayBuffer,
} from "node:util/types";
import { Block, FOREIGN, isForeignBlock } from "../bulk/block.js";
import { EncodeError } from "../errors.js";
import { bytesOf, getTime, mapEntries, setValues, unboxed } from "./clone-intrinsics.js";
import { isPlainPrototype } from "./clone-kinds.js";
import { BUFFER, numberOfView } from "./clone-views.js";
import type { Scratch } from "./codec.js";
import { locateInJson } from "./locate.js";
import type { Dictionary, Shape } from "./packed-dictionary.js";
import { Output, TooLong } from "./packed-output.js";
import {
  ARRAY,
  ARRAY_BUFFER,
  BLOCK,
  DATE,
  FALSE,
  MAP,
  MOST_DEPTH,
  NULL,
  OBJECT,
  SET,
  SHAPE,
  TRUE,
  UNDEFINED,
  VIEW,
} from "./packed-tags.js";
import { describe, joinKey } from "./path.js";
import { lengthOf } from "./views.js";

/** Objects in each other up to this depth are not compared with those around them: a cycle soon goes deeper. */
const SHALLOW = 16;
/** A path in an error is cut off here. */
const LONGEST_PATH = 50;
/** The toJSON of an object that was not asked for it yet. */
const UNREAD = Symbol("unread");

/** A step of a path: a key, an index, or the text of something else. */
type Part = string | number | { readonly text: string };

/** A message that can't be encoded. On its way out each container adds where it was. */
class Failure {
  readonly parts: Part[] = [];

  constructor(
    readonly message: string,
    readonly cause?: unknown,
  ) {}
}

/** Writes the values of a message of packed(). This file decides what a value is. */
export class Writer extends Output {
  private depth = 0;
  /** The objects around the present one, from the depth SHALLOW on. */
  private readonly around: object[] = [];
  private message = 0;
  /** The shapes that the message introduces, and the blocks in it: each has its position as number. */
  introduced: Shape[] = [];
  blocks: Block[] = [];

  constructor(private readonly dictionary: Dictionary) {
    super();
  }

  begin(scratch: Scratch, offset: number): void {
    this.open(scratch, offset);
    this.message = this.dictionary.begin();
  }

  /** Makes the writer ready for the next message. */
  reset(): void {
    this.shut();
    this.depth = 0;
    if (this.around.length > 0) this.around.length = 0;
    if (this.introduced.length > 0) this.introduced = [];
    if (this.blocks.length > 0) this.blocks = [];
  }

  /** Writes a value; `key` is its own in the container. Hot. */
  value(value: unknown, key: string | number): void {
    switch (typeof value) {
      case "string":
        this.text(value);
        break;
      case "number":
        this.number(value);
        break;
      case "boolean":
        this.byte(value ? TRUE : FALSE);
        break;
      case "object":
        if (value === null) this.byte(NULL);
        else if (Array.isArray(value)) this.array(value, key);
        else this.object(value, key);
        break;
      case "bigint":
        this.bigint(value);
        break;
      default:
        this.byte(UNDEFINED);
    }
  }

  /** Goes into an object of a shape. */
  enter(shape: Shape, object: object): void {
    if (++this.depth > SHALLOW) this.deep(object);
    if (!shape.known && shape.message !== this.message) {
      shape.message = this.message;
      this.introduced.push(shape);
    }
    this.pair(SHAPE | (shape.id >>> 8), shape.id & 0xff);
  }

  leave(): void {
    this.depth--;
  }

  /** Returns what to throw on for what was thrown in a container, at the value of this key. */
  within(thrown: unknown, key: Part): Failure | TooLong {
    if (thrown instanceof TooLong) return thrown;
    const failure = thrown instanceof Failure ? thrown : failureOf(thrown);
    failure.parts.push(key);
    return failure;
  }

  /** Writes an object that is not of a shape yet, or not plain. `toJSON` as it was read. */
  uncommon(object: object, key: string | number, toJSON: unknown = UNREAD): void {
    const prototype = Object.getPrototypeOf(object) as object | null;
    if (prototype !== Object.prototype && prototype !== null) {
      if (object instanceof Block) {
        this.block(object);
        return;
      }
      if (isForeignBlock(object)) throw new Failure(FOREIGN);
      if (!isPlainPrototype(prototype) && this.special(object)) return;
    }
    const replace = toJSON === UNREAD ? (object as { toJSON?: unknown }).toJSON : toJSON;
    if (typeof replace === "function") this.replacement(replace.call(object, String(key)), key);
    else this.properties(object);
  }

  private object(object: object, key: string | number): void {
    if (ArrayBuffer.isView(object)) {
      this.bytesOfView(object);
      return;
    }
    const shape = this.dictionary.shapeOf(object);
    if (shape === undefined) this.uncommon(object, key);
    else shape.write(this, object, shape, key, false);
  }

  private array(array: readonly unknown[], key: string | number): void {
    const { toJSON } = array as { toJSON?: unknown };
    if (typeof toJSON === "function") this.replacement(toJSON.call(array, String(key)), key);
    else this.elements(array);
  }

  private elements(array: readonly unknown[]): void {
    const { length } = array;
    this.enterCounted(ARRAY, length, array);
    let i = 0;
    try {
      for (; i < length; i++) {
        const value = array[i];
        if (typeof value === "number") this.number(value);
        else this.value(value, i);
      }
    } catch (thrown) {
      throw this.within(thrown, i);
    }
    this.depth--;
  }

  /** Writes what a toJSON returned, whose own toJSON is not called. */
  private replacement(value: unknown, key: string | number): void {
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) this.value(value, key);
    else if (Array.isArray(value)) this.elements(value);
    else this.uncommon(value, key, undefined);
  }

  /** Writes the properties of an object as those of a plain one. */
  private properties(object: object): void {
    const keys = Object.keys(object);
    const shape = this.dictionary.shapeWith(keys);
    if (shape !== undefined) {
      shape.write(this, object, shape, "", true);
      return;
    }
    this.enterCounted(OBJECT, keys.length, object);
    let i = 0;
    try {
      for (; i < keys.length; i++) {
        const key = keys[i]!;
        this.text(key);
        this.value((object as Record<string, unknown>)[key], key);
      }
    } catch (thrown) {
      throw this.within(thrown, keys[i]!);
    }
    this.depth--;
  }

  /** Writes an object with content apart from its properties. Returns false for any other. */
  private special(object: object): boolean {
    if (isDate(object)) {
      this.byte(DATE);
      this.double(getTime.call(object));
    } else if (isMap(object)) {
      this.map(object);
    } else if (isSet(object)) {
      this.set(object);
    } else if (isAnyArrayBuffer(object)) {
      const bytes = isSharedArrayBuffer(object) ? undefined : bytesOf(object);
      if (bytes === undefined)
        throw new Failure("an ArrayBuffer that is shared, or was transferred, can't be sent; send a copy");
      this.byte(ARRAY_BUFFER);
      this.bytes(bytes);
    } else if (isBoxedPrimitive(object)) {
      this.value(unboxed(object), "");
    } else {
      return false;
    }
    return true;
  }

  private map(map: Map<unknown, unknown>): void {
    // Copied: a getter might add some.
    const entries = [...mapEntries.call(map)];
    this.enterCounted(MAP, entries.length, map);
    let part: Part = { text: ".keys()" };
    try {
      for (const [key, value] of entries) {
        part = { text: ".keys()" };
        this.value(key, "");
        part = { text: `.get(${describe(key)})` };
        this.value(value, "");
      }
    } catch (thrown) {
      throw this.within(thrown, part);
    }
    this.depth--;
  }

  private set(set: Set<unknown>): void {
    const values = [...setValues.call(set)];
    this.enterCounted(SET, values.length, set);
    try {
      for (const value of values) this.value(value, "");
    } catch (thrown) {
      throw this.within(thrown, { text: ".values()" });
    }
    this.depth--;
  }

  private block(block: Block): void {
    this.byte(BLOCK);
    this.varint(this.blocks.push(block) - 1);
  }

  /** Writes the bytes that a view shows, and no others. */
  private bytesOfView(view: ArrayBufferView): void {
    const byteLength = lengthOf(view);
    if (byteLength === undefined) throw new Failure("a view that has lost its memory can't be sent");
    const number = Buffer.isBuffer(view) ? BUFFER : numberOfView(view);
    if (number === undefined) throw new Failure("a view of this kind can't be sent");
    this.pair(VIEW, number);
    this.bytes(new Uint8Array(view.buffer, view.byteOffset, byteLength));
  }

  private enterCounted(tag: number, count: number, container: object): void {
    if (++this.depth > SHALLOW) this.deep(container);
    this.byte(tag);
    this.varint(count);
  }

  private deep(object: object): void {
    const { around, depth } = this;
    around.length = depth - SHALLOW - 1;
    if (around.includes(object)) throw new Failure("a cycle: the object stands within itself");
    if (depth > MOST_DEPTH) throw new Failure(`nested deeper than ${MOST_DEPTH} levels`);
    around.push(object);
  }
}

function failureOf(thrown: unknown): Failure {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return new Failure(`a value can't be read: ${why}`, thrown);
}

/** Returns the error for what was thrown while a message was encoded. */
export function encodeErrorOf(thrown: unknown, message: unknown): EncodeError {
  const failure = thrown instanceof Failure ? thrown : failureOf(thrown);
  const options = failure.cause === undefined ? undefined : { cause: failure.cause };
  // A cycle is noticed some rounds later than where it begins.
  const fault = failure.parts.length > SHALLOW ? locateInJson(message) : undefined;
  if (fault?.message.startsWith("a cycle") === true)
    return new EncodeError(fault.message, fault.path, options);
  return new EncodeError(failure.message, pathOf(failure.parts), options);
}

/** The path of the parts, which are the innermost first. */
function pathOf(parts: readonly Part[]): string {
  let path = "";
  for (let i = parts.length - 1; i >= 0 && i >= parts.length - LONGEST_PATH; i--) {
    const part = parts[i]!;
    if (typeof part === "number") path += `[${part}]`;
    else path = typeof part === "string" ? joinKey(path, part) : path + part.text;
  }
  return parts.length > LONGEST_PATH ? `${path} …` : path;
}

import { mapEntries, setValues } from "./clone-intrinsics.js";
import type { Output } from "./clone-output.js";
import {
  BEGIN_DENSE_ARRAY,
  BEGIN_MAP,
  BEGIN_OBJECT,
  BEGIN_SET,
  BEGIN_SPARSE_ARRAY,
  END_DENSE_ARRAY,
  END_MAP,
  END_OBJECT,
  END_SET,
  END_SPARSE_ARRAY,
  HOLE,
} from "./clone-tags.js";
import { KEYS, MAP_KEYS, MAP_VALUES, SET_VALUES, type Trail } from "./clone-trail.js";

/** An array with more holes than this, and than elements, goes by its elements alone. */
const MANY_HOLES = 1024;

/** The writer of the values in a container. */
export interface ValueWriter {
  readonly output: Output;
  readonly trail: Trail;
  value(value: unknown): void;
}

/** Writes objects whose content is other values: plain objects, arrays, Maps and Sets. */
export class ContainerWriter {
  private readonly writer: ValueWriter;
  private readonly output: Output;
  private readonly trail: Trail;

  constructor(writer: ValueWriter) {
    this.writer = writer;
    this.output = writer.output;
    this.trail = writer.trail;
  }

  /** Writes the properties with these keys as those of a plain object. */
  plain(object: object, keys: readonly string[]): void {
    this.output.byte(BEGIN_OBJECT);
    this.output.end(END_OBJECT, this.properties(object, keys));
  }

  array(array: readonly unknown[]): void {
    const { length } = array;
    const keys = Object.keys(array);
    if (length > MANY_HOLES && length - keys.length > Math.max(MANY_HOLES, keys.length))
      this.sparse(array, length, keys);
    else this.dense(array, length, keys);
  }

  map(map: Map<unknown, unknown>): void {
    const { output, trail } = this;
    const depth = trail.enter(MAP_KEYS);
    // The entries are copied: a getter might add some.
    const entries = [...mapEntries.call(map)];
    output.byte(BEGIN_MAP);
    for (const [key, value] of entries) {
      trail.inMap(depth, key, MAP_KEYS);
      this.writer.value(key);
      trail.inMap(depth, key, MAP_VALUES);
      this.writer.value(value);
    }
    trail.leave(depth);
    output.end(END_MAP, entries.length * 2);
  }

  set(set: Set<unknown>): void {
    const { output, trail } = this;
    const depth = trail.enter(SET_VALUES);
    const values = [...setValues.call(set)];
    output.byte(BEGIN_SET);
    for (const value of values) this.writer.value(value);
    trail.leave(depth);
    output.end(END_SET, values.length);
  }

  private sparse(array: readonly unknown[], length: number, keys: readonly string[]): void {
    const { output } = this;
    output.byte(BEGIN_SPARSE_ARRAY);
    output.varint(length);
    output.end(END_SPARSE_ARRAY, this.properties(array, keys));
    output.varint(length);
  }

  private dense(array: readonly unknown[], length: number, keys: readonly string[]): void {
    const { output, trail, writer } = this;
    output.byte(BEGIN_DENSE_ARRAY);
    output.varint(length);
    const depth = trail.enter(KEYS);
    // The keys of elements come first, in order. A hole may have a value in the prototype.
    const isFull = keys[length - 1] === String(length - 1);
    let elements = 0;
    for (let i = 0; i < length; i++) {
      trail.at(depth, i);
      if (isFull || Object.hasOwn(array, i)) {
        writer.value(array[i]);
        elements++;
      } else {
        output.byte(HOLE);
      }
    }
    trail.leave(depth);
    // Properties that are no elements stand behind them.
    const others = keys.length > elements ? this.properties(array, keys.filter(isName)) : 0;
    output.end(END_DENSE_ARRAY, others);
    output.varint(length);
  }

  /** Writes the properties with these keys. Returns how many: a getter may have deleted others. */
  private properties(object: object, keys: readonly string[]): number {
    const { trail, writer } = this;
    const depth = trail.enter(KEYS);
    let written = 0;
    for (const key of keys) {
      trail.at(depth, key);
      const value = (object as Record<string, unknown>)[key];
      if (value === undefined && !Object.hasOwn(object, key)) continue;
      this.key(key);
      writer.value(value);
      written++;
    }
    trail.leave(depth);
    return written;
  }

  /** Writes a key. V8 writes one that is an index as a number. */
  private key(key: string): void {
    const first = key.charCodeAt(0);
    if (first >= 0x30 && first <= 0x39 && !isName(key)) this.output.number(Number(key));
    else this.output.text(key);
  }
}

/** Returns whether a key is no index of an array. */
function isName(key: string): boolean {
  const index = Number(key) >>> 0;
  return String(index) !== key || index === 0xffff_ffff;
}

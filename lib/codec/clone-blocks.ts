import { isMap, isProxy, isSet } from "node:util/types";
import { Block } from "../bulk/block.js";
import { EncodeError } from "../errors.js";

/*
 * V8's serializer asks nobody about an object such as a Block: it would write its properties, and fails at the first, a function. What
 * it does ask about are views. So the containers that lead to blocks are copied, with a view in place of each block.
 */

const EMPTY = new ArrayBuffer(0);

/** Stands for a block in the copy. */
export class Placeholder extends Uint8Array {
  constructor(
    /** The position of the block in the list. */
    readonly number: number,
  ) {
    super(EMPTY);
  }
}

export interface Replaced {
  readonly message: unknown;
  readonly blocks: readonly Block[];
}

/**
 * The message with placeholders instead of its blocks; `undefined` if it has none, as far as can be seen. It is left as it is.
 * Throws an EncodeError if a getter throws.
 */
export function replaceBlocks(message: unknown): Replaced | undefined {
  const blocks: Block[] = [];
  if (message instanceof Block) return { message: placeholderOf(message, blocks), blocks };
  const copies = new Map<unknown, object>();
  for (const container of leadingToBlocks(message)) copies.set(container, emptyCopy(container));
  if (copies.size === 0) return undefined;
  const replace = (value: unknown): unknown =>
    value instanceof Block ? placeholderOf(value, blocks) : (copies.get(value) ?? value);
  try {
    for (const [container, copy] of copies) fill(copy, container as object, replace);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EncodeError(`a getter of the message failed: ${why}`, "", { cause });
  }
  return { message: copies.get(message), blocks };
}

function placeholderOf(block: Block, blocks: Block[]): Placeholder {
  return new Placeholder(blocks.push(block) - 1);
}

/** The containers in the message from which a block can be reached. Cycles and shared references are why it goes back up from the blocks. */
function leadingToBlocks(message: unknown): Set<object> {
  const parents = new Map<object, object[]>();
  const leading = new Set<object>();
  const open: object[] = [];
  let parent: object | undefined;
  const meet = (value: unknown) => {
    if (typeof value !== "object" || value === null) return;
    if (value instanceof Block) {
      leading.add(parent!);
      return;
    }
    const known = parents.get(value);
    if (known !== undefined) {
      known.push(parent!);
    } else if (isContainer(value)) {
      parents.set(value, parent === undefined ? [] : [parent]);
      open.push(value);
    }
  };
  meet(message);
  for (parent = open.pop(); parent !== undefined; parent = open.pop()) {
    try {
      eachChild(parent, meet);
    } catch {
      // A getter that throws, as it will for the serializer.
    }
  }
  // The loop comes to containers that are added while it runs, too.
  for (const container of leading) for (const above of parents.get(container)!) leading.add(above);
  return leading;
}

/** Whether the serializer goes into it and takes it for an array, a Map, a Set, or an object with properties. */
function isContainer(value: object): boolean {
  if (isProxy(value)) return false;
  if (Array.isArray(value) || isMap(value) || isSet(value)) return true;
  return Object.prototype.toString.call(value) === "[object Object]";
}

function eachChild(container: object, meet: (value: unknown) => void): void {
  if (isMap(container)) {
    for (const [key, value] of Map.prototype.entries.call(container)) {
      meet(key);
      meet(value);
    }
  } else if (isSet(container)) {
    for (const value of Set.prototype.values.call(container)) meet(value);
  } else {
    // Not all at once: a block before a getter that throws is met.
    const fields = container as Record<string, unknown>;
    for (const key of Object.keys(fields)) meet(fields[key]);
  }
}

function emptyCopy(container: object): object {
  if (isMap(container)) return new Map();
  if (isSet(container)) return new Set();
  if (Array.isArray(container)) return new Array(container.length);
  // Without a prototype, also the key __proto__ is one like others.
  return Object.create(null) as object;
}

function fill(copy: object, container: object, replace: (value: unknown) => unknown): void {
  if (isMap(container)) {
    for (const [key, value] of Map.prototype.entries.call(container)) {
      (copy as Map<unknown, unknown>).set(replace(key), replace(value));
    }
  } else if (isSet(container)) {
    for (const value of Set.prototype.values.call(container)) (copy as Set<unknown>).add(replace(value));
  } else {
    for (const [key, value] of Object.entries(container)) {
      (copy as Record<string, unknown>)[key] = replace(value);
    }
  }
}

import { Block } from "../bulk/block.js";

/** How deep blocks are looked for. JSON that is nested deeper has been refused, or its blocks are released when they are collected. */
const DEPTH = 64;

/**
 * Releases all blocks in a value that the program will never see: of an answer that came too late, of refused parameters. The value
 * may be anything, such as a result of the program's with cycles or with getters that throw. Never throws.
 */
export function releaseBlocks(value: unknown): void {
  if (typeof value === "object" && value !== null) release(value, DEPTH, new Set());
}

/** `seen`: each object is looked at once, so that what refers to itself in many ways takes no longer than its size says. */
function release(value: object, depth: number, seen: Set<object>): void {
  if (depth === 0 || seen.has(value)) return;
  seen.add(value);
  if (value instanceof Block) {
    if (!value.gone) value.release();
    return;
  }
  for (const part of partsOf(value)) {
    if (typeof part === "object" && part !== null) release(part, depth - 1, seen);
  }
}

function partsOf(value: object): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (ArrayBuffer.isView(value)) return [];
  try {
    return Object.values(value);
  } catch {
    // A getter has thrown, as it did when the value was encoded.
    return [];
  }
}

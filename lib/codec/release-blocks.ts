import { Block } from "../bulk/block.js";

/** How deep blocks are looked for. JSON that is nested deeper has been refused, or its blocks are released when they are collected. */
const DEPTH = 64;

/**
 * Releases all blocks in a value that the program will never see: of an answer that came too late, of refused parameters. The value
 * may be anything, such as a result of the program's with cycles or with getters that throw. Never throws.
 */
export function releaseBlocks(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  eachBlock(value, DEPTH, new Set(), (block) => {
    if (!block.gone) block.release();
  });
}

/** Returns whether a value has blocks that were sent or released, so that it can't be sent again. Never throws. */
export function hasGoneBlocks(value: unknown): boolean {
  let gone = false;
  if (typeof value === "object" && value !== null)
    eachBlock(value, DEPTH, new Set(), (block) => {
      gone ||= block.gone;
    });
  return gone;
}

/** `seen`: each object is looked at once, so that what refers to itself in many ways takes no longer than its size says. */
function eachBlock(value: object, depth: number, seen: Set<object>, tell: (block: Block) => void): void {
  if (depth === 0 || seen.has(value)) return;
  seen.add(value);
  if (value instanceof Block) {
    tell(value);
    return;
  }
  for (const part of partsOf(value)) {
    if (typeof part === "object" && part !== null) eachBlock(part, depth - 1, seen, tell);
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

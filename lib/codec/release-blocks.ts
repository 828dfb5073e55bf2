import { Block } from "../bulk/block.js";

/** How deep blocks are looked for. JSON that is nested deeper has been refused, or its blocks are released when they are collected. */
const DEPTH = 64;

/** Releases all blocks in a value that the program will never see: of an answer that came too late, of refused parameters. */
export function releaseBlocks(value: unknown, depth = DEPTH): void {
  if (typeof value !== "object" || value === null || depth === 0) return;
  if (value instanceof Block) {
    if (!value.gone) value.release();
    return;
  }
  for (const part of Array.isArray(value) ? value : Object.values(value)) releaseBlocks(part, depth - 1);
}

import { Block } from "../bulk/block.js";

/** Whether a value is a block: for code above the waist, which does not make blocks. */
export function isBlock(value: unknown): value is Block {
  return value instanceof Block;
}

import { Block, FOREIGN, leaseOf } from "../bulk/block.js";
import { BlockError, DecodeError, EncodeError } from "../errors.js";
import { refusal } from "./refusal.js";
/*
 * Blocks in messages. A codec writes a number in place of each, its position in the list of the message; the transport
 * sends the list along, and gives it to the codec of the other side.
 */

/** Notes a block of the message that is being encoded; returns its number. Throws a BlockError for one that is gone, or stands in the message already. */
export function attachBlock(blocks: Block[], block: Block): number {
  try {
    leaseOf(block);
  } catch (error) {
    throw refusal(error as BlockError);
  }
  if (blocks.includes(block))
    throw refusal(new BlockError("a block stands twice in one message; share(2) makes two of it"));
  return blocks.push(block) - 1;
}

/** Adds all blocks of a message, each with its position as number. */
export function attachBlocks(blocks: Block[], met: readonly Block[]): void {
  for (const block of met) attachBlock(blocks, block);
}

/** The block with this number in the message that is being decoded, once; `undefined` if there is none. */
export function takeBlock(blocks: (Block | undefined)[], index: number): Block | undefined {
  const block = blocks[index];
  if (block !== undefined) blocks[index] = undefined;
  return block;
}

/** As `takeBlock`, but throws a DecodeError if there is none. */
export function claimBlock(blocks: (Block | undefined)[], index: number): Block {
  return takeBlock(blocks, index) ?? missing(index, "");
}

export function missing(index: number, path: string): never {
  throw new DecodeError(
    `the message names block ${index}, which did not come with it, or which it has named before`,
    path,
  );
}

/** Decodes a message with blocks. If decoding fails, the blocks taken from the list are released: nobody else knows of them. */
export function releasing<T>(blocks: (Block | undefined)[], decode: () => T): T {
  const before = [...blocks];
  try {
    return decode();
  } catch (error) {
    for (const [index, block] of before.entries()) {
      if (blocks[index] !== block) block?.release();
    }
    throw error;
  }
}

/** Puts the blocks back that were taken from the list, of which `before` is a copy: the message is decoded once more. */
export function putBack(blocks: (Block | undefined)[], before: readonly (Block | undefined)[]): void {
  for (const [index, block] of before.entries()) blocks[index] = block;
}

/** The refusal of a block that another copy of the package made; it stands at `path`. */
export function foreignBlock(path: string): EncodeError {
  return new EncodeError(FOREIGN, path);
}

/** A hint to add to the refusal of a value by a codec without blocks. */
export function carriers(value: unknown): string {
  return value instanceof Block ? ": send it by json(), packed(), clone() or struct({…})" : "";
}

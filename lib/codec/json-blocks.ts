import { randomFillSync } from "node:crypto";
import type { Block } from "../bulk/block.js";
import { DecodeError } from "../errors.js";
import { claimBlock } from "./blocks.js";

/*
 * Blocks in JSON. Where a block stands in the message there is the string "<mark>:<number>" in the text, and before the text,
 * if there are any, the mark by itself: 16 hexadecimal digits drawn for this message when all that it consists of was there
 * already. So no string of it begins with them, not even one of a peer that has seen the marks of earlier messages.
 */

/** The blocks that JSON.stringify has met in a message. */
export interface MetBlocks {
  readonly mark: string;
  /** Each has its position as number. */
  readonly blocks: Block[];
}

/** The blocks of the message that is being turned into text; `undefined` as long as there is none. */
let met: MetBlocks | undefined;

/** Goes on with another message. Returns what was met in this one, to be put back. */
export function swapMet(next: MetBlocks | undefined): MetBlocks | undefined {
  const before = met;
  met = next;
  return before;
}

/** Notes a block, and returns what stands for it in the text. */
export function meet(block: Block): string {
  met ??= { mark: drawMark(), blocks: [] };
  return `${met.mark}:${met.blocks.push(block) - 1}`;
}

const MARK = 16;

// To draw many at once costs 20 ns each; one by one, 2 µs.
const drawn = Buffer.alloc((MARK / 2) * 256);
let next = drawn.length;

function drawMark(): string {
  if (next === drawn.length) {
    randomFillSync(drawn);
    next = 0;
  }
  const from = next;
  next += MARK / 2;
  return drawn.toString("hex", from, next);
}

/** Takes the text of a message with blocks apart. Throws a DecodeError if it does not begin with a mark. */
export function splitMark(text: string): [mark: string, json: string] {
  const mark = text.slice(0, MARK);
  if (!/^[0-9a-f]{16}$/.test(mark))
    throw new DecodeError(
      "blocks came with the message, but its text does not begin with their mark: 16 hexadecimal digits",
      "",
    );
  return [mark, text.slice(MARK)];
}

/**
 * Puts the blocks into the places that are marked in what JSON.parse has made. Throws a DecodeError for a mark of a block that is not there,
 * or no more. Not by a reviver, which makes JSON.parse four times slower.
 */
export function revive(message: unknown, mark: string, blocks: (Block | undefined)[]): unknown {
  const top = [message];
  // Not by recursion: JSON.parse nests deeper than the stack.
  const containers: object[] = [top];
  const seen = (value: unknown): unknown => {
    if (typeof value === "string") return value.startsWith(mark) ? blockAt(value, blocks) : value;
    if (typeof value === "object" && value !== null) containers.push(value);
    return value;
  };
  for (let container = containers.pop(); container !== undefined; container = containers.pop()) {
    if (Array.isArray(container)) {
      for (let i = 0; i < container.length; i++) {
        const value: unknown = container[i];
        const now = seen(value);
        if (now !== value) container[i] = now;
      }
    } else {
      const fields = container as Record<string, unknown>;
      for (const key of Object.keys(fields)) {
        const value = fields[key];
        const now = seen(value);
        if (now !== value) fields[key] = now;
      }
    }
  }
  return top[0];
}

function blockAt(text: string, blocks: (Block | undefined)[]): Block {
  const number = /^:(0|[1-9][0-9]{0,8})$/.exec(text.slice(MARK))?.[1];
  if (number === undefined) {
    throw new DecodeError("the mark of a block must be followed by a colon and the number of the block", "");
  }
  return claimBlock(blocks, Number(number));
}

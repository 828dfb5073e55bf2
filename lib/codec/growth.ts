import { isProxy } from "node:util/types";
import type { Block } from "../bulk/block.js";
import { attachBlocks } from "./blocks.js";
import { noRoom, Scratch } from "./codec.js";
import type { RootShape, Shape, StructShape } from "./field.js";
import { keep } from "./kept.js";
import { LONGEST, noRoomOf } from "./measure.js";

/*
 * A message of a struct or union that does not fit. Most are measured and encoded once more. One whose fields have getters is not: they would run
 * again. Its encoding goes on in private memory, and the call with more room copies what was made.
 */

/** A message that was made in private memory. */
interface Made {
  readonly bytes: Uint8Array;
  readonly blocks: readonly Block[];
}

/**
 * Makes room up to `needed` for a message of which the bytes from `offset` to `written` are there. Returns the memory to go on in, with the same
 * positions, or the result of `encode` for a message that begins anew.
 */
export type MakeRoom = (
  message: unknown,
  scratch: Scratch,
  offset: number,
  written: number,
  needed: number,
) => Scratch | number;

export function roomFor(shape: RootShape): MakeRoom {
  const measure = noRoomOf(shape);
  // Whether it fits is known before the first field is read.
  if (!shape.variable) return measure;
  const isPlain = plainnessOf(shape);
  return (message, scratch, offset, written, needed) => {
    if (isPlain(message, { left: MOST_LOOKS })) return measure(message);
    if (needed - offset > LONGEST) return noRoom(needed - offset);
    const length = offset + Math.max(needed - offset, (written - offset) * 2, SHORTEST);
    const more = new Scratch(new ArrayBuffer(length));
    more.buffer.set(scratch.buffer.subarray(offset, written), offset);
    return more;
  };
}

const SHORTEST = 16 * 1024;

/** Keeps a message that was made in private memory. Returns that it did not fit. */
export function keepMade(scratch: Scratch, offset: number, end: number, blocks: Block[]): number {
  const bytes = scratch.buffer.subarray(offset, end);
  keep(blocks, { bytes, blocks: [...blocks] } satisfies Made);
  return noRoom(bytes.length);
}

/** Writes a message that `keepMade` has kept. */
export function putMade(kept: unknown, scratch: Scratch, offset: number, blocks: Block[]): number {
  const made = kept as Made;
  if (made.bytes.length > scratch.length - offset) return noRoom(made.bytes.length);
  attachBlocks(blocks, made.blocks);
  scratch.buffer.set(made.bytes, offset);
  return made.bytes.length;
}

/** To look at more properties takes longer than to copy the message. */
const MOST_LOOKS = 1000;

interface Looks {
  left: number;
}

/** Whether reading the fields of a value runs no code of the program. */
type IsPlain = (value: unknown, looks: Looks) => boolean;

const always: IsPlain = () => true;

function plainnessOf(shape: Shape): IsPlain {
  switch (shape.kind) {
    case "optional":
      return plainnessOf(shape.of);
    case "array": {
      const isPlain = plainnessOf(shape.of);
      return (value, looks) => {
        if (!Array.isArray(value)) return true;
        if (isProxy(value)) return false;
        return isPlain === always || value.every((element) => isPlain(element, looks));
      };
    }
    case "struct":
      return plainnessOfStruct(shape);
    case "union": {
      const variants = new Map(shape.variants.map(({ name, shape }) => [name, plainnessOfStruct(shape)]));
      return (value, looks) => {
        if (!isData(value, shape.tag, looks)) return false;
        const variant = variants.get((value as Record<string, unknown>)?.[shape.tag] as string);
        return variant === undefined || variant(value, looks);
      };
    }
    default:
      return always;
  }
}

function plainnessOfStruct({ members }: StructShape): IsPlain {
  const fields = members.map(({ name, shape }) => ({ name, isPlain: plainnessOf(shape) }));
  return (value, looks) =>
    fields.every(
      ({ name, isPlain }) =>
        isData(value, name, looks) && isPlain((value as Record<string, unknown> | null)?.[name], looks),
    );
}

/** Whether a property has a value, or is not there, in the object and all that it inherits from. */
function isData(value: unknown, name: string, looks: Looks): boolean {
  if (typeof value !== "object") return true;
  for (let at: object | null = value; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    if (isProxy(at) || looks.left-- <= 0) return false;
    const property = Object.getOwnPropertyDescriptor(at, name);
    if (property !== undefined) return "value" in property;
  }
  return true;
}

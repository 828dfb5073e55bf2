import type { Block } from "../bulk/block.js";
import { EncodeError } from "../errors.js";
import type { Scratch } from "./codec.js";
import { describe, type Path } from "./path.js";

/* What the closures that write values have in common: see writers.ts. */

/** Where a message is being written. */
export interface Cursor {
  scratch: Scratch;
  blocks: Block[];
  view: DataView;
  /** Where the message begins. */
  base: number;
  /** Where the next bytes of the tail go. */
  tail: number;
  /** Where the room ends. */
  end: number;
}

/** Writes a value into its slot at `at`, the rest of it into the tail; false if there is no room. */
export type Write = (value: unknown, cursor: Cursor, at: number) => boolean;

/** The error for a value that is not what was expected. */
export function refuse(path: Path, value: unknown, expected: string): EncodeError {
  return new EncodeError(
    value === undefined
      ? `is missing; it must be ${expected}`
      : `must be ${expected}; it is ${describe(value)}`,
    path.toString(),
  );
}

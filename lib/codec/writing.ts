import type { Block } from "../bulk/block.js";
import { EncodeError } from "../errors.js";
import type { Scratch } from "./codec.js";
import type { MakeRoom } from "./growth.js";
import { describe, type Path } from "./path.js";
import { refusal } from "./refusal.js";

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
  readonly message: unknown;
  readonly makeRoom: MakeRoom;
  /** The result of `encode`, if there is no room. */
  result: number;
}

/** Makes room up to `needed`; false if the message begins anew. */
export function hasRoom(cursor: Cursor, needed: number): boolean {
  if (needed <= cursor.end) return true;
  const { message, scratch, base, tail } = cursor;
  const made = cursor.makeRoom(message, scratch, base, tail, needed);
  if (typeof made === "number") {
    cursor.result = made;
    return false;
  }
  cursor.scratch = made;
  cursor.view = made.view;
  cursor.end = made.length;
  return true;
}

/** Writes a value into its slot at `at`, the rest of it into the tail; false if there is no room. */
export type Write = (value: unknown, cursor: Cursor, at: number) => boolean;

/** The error for a value that is not what was expected. */
export function refuse(path: Path, value: unknown, expected: string): EncodeError {
  const message =
    value === undefined
      ? `is missing; it must be ${expected}`
      : `must be ${expected}; it is ${describe(value)}`;
  return refusal(new EncodeError(message, path.toString()));
}

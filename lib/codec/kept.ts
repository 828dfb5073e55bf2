import type { Block } from "../bulk/block.js";

/*
 * Code of the program runs while a message is encoded: getters, `toJSON`, `toString`. It must run once a message, also if the message
 * does not fit at first. So a codec keeps what it has made of the message, and the call with more room only copies it.
 *
 * The list of the message's blocks carries it: the list belongs to this message alone, all calls for the message get the same one, and a
 * codec that wraps another one passes it along.
 */

const KEPT = Symbol("kept");

interface Carrier {
  [KEPT]?: unknown;
}

/** Keeps what was made of the message, for the next call with the same list. */
export function keep(blocks: Block[], made: unknown): void {
  (blocks as Carrier)[KEPT] = made;
}

/** Returns the value that an earlier call has kept for the message with this list; undefined if there was none. Hot. */
export function keptWith(blocks: Block[]): unknown {
  return (blocks as Carrier)[KEPT];
}

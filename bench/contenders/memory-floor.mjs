import { size } from "../lib/format.mjs";
import { floor } from "./floor.mjs";

/** How long a round is, as a part of the usual: there are many rows, and they vary little. */
const PART = 0.1;

const WHAT = { copy: "memcpy", read: "read through (memchr)", write: "filled (memset)" };

/**
 * One C++ process, by itself.
 * @param {keyof typeof WHAT} kind
 * @param {number} bytes
 */
export function memoryFloor(kind, bytes) {
  return floor({
    name: `memory-${kind}-${size(bytes).replace(" ", "")}`,
    peer: "memcpy",
    title: `C++: ${size(bytes)} ${WHAT[kind]}`,
    program: "memory",
    mode: kind,
    facts: { kind, payload: "bytes", bytes },
    thorough: true,
    part: PART,
    first: 4,
    bytes,
  });
}

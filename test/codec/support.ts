import type { Codec } from "../../lib/codec/codec.js";
import { Scratch } from "../../lib/codec/codec.js";

/** Where messages are put: not at the beginning, so that a forgotten offset shows. */
export const OFFSET = 8;

export function scratchOf(bytes = 4096): Scratch {
  return new Scratch(new ArrayBuffer(bytes));
}

/** The bytes of a message. */
export function encode<T>(codec: Codec<T, unknown>, message: T, scratch = scratchOf()): Uint8Array {
  scratch.buffer.fill(0xaa);
  const bytes = codec.encode(message, scratch, OFFSET);
  if (bytes < 0) throw new Error("no room");
  return Uint8Array.from(scratch.buffer.subarray(OFFSET, OFFSET + bytes));
}

/** Decodes bytes that stand at the very end of the scratch, so that reading past them throws a RangeError. */
export function decode<T>(codec: Codec<never, T>, bytes: Uint8Array): T {
  const offset = OFFSET * 4;
  const scratch = scratchOf(offset + bytes.length);
  scratch.buffer.set(bytes, offset);
  return codec.decode(scratch, offset, bytes.length);
}

export function roundTrip<S, R>(codec: Codec<S, R>, message: S): R {
  const scratch = scratchOf(1 << 20);
  return decode(codec, encode(codec, message, scratch));
}

/** The error that a function throws. */
export function thrown(act: () => unknown): Error & { code?: string; path?: string } {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

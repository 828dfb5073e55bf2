import { isUtf8 } from "node:buffer";
import { NO_ROOM, type Scratch } from "./codec.js";

/** The result of `writeText` for a string with a lone surrogate, which UTF-8 has no bytes for. A codec must not return it: to a channel it means something else. */
export const ILL_FORMED = -2;

// Entering native code costs about 90 ns whatever the length; a loop costs 15 ns and about 2.5 ns a character.
const LONGEST_LOOP = 24;
const LONGEST_SHORT = 12;

const wellFormed = /^\P{Surrogate}*$/u;

/** Writes `text` as UTF-8 at `at`, not past `end`; returns the bytes written, NO_ROOM or ILL_FORMED. */
export function writeText(text: string, scratch: Scratch, at: number, end: number): number {
  const length = text.length;
  if (length > end - at) return NO_ROOM;
  if (length <= LONGEST_LOOP) {
    const view = scratch.view;
    let seen = 0;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      seen |= unit;
      view.setUint8(at + i, unit);
    }
    if (seen <= 0x7f) return length;
  }
  const room = end - at;
  if (length * 3 > room && Buffer.byteLength(text) > room) return NO_ROOM;
  const bytes = scratch.buffer.write(text, at, room);
  // As many bytes as units: all of it is ASCII. Otherwise a lone surrogate would have become U+FFFD unnoticed.
  return bytes === length || wellFormed.test(text) ? bytes : ILL_FORMED;
}

/** Reads the UTF-8 from `at` to `end`; `undefined` if it is not valid. */
export function readText(scratch: Scratch, at: number, end: number): string | undefined {
  const buffer = scratch.buffer;
  const length = end - at;
  if (length <= LONGEST_SHORT) {
    const short = readShort(buffer, at, length);
    if (short !== undefined) return short;
  }
  const text = buffer.toString(undefined, at, end);
  // Invalid bytes were replaced by U+FFFD. Only if there is one is it worth a look whether it had been sent as such.
  if (text.indexOf("\uFFFD") !== -1 && !isUtf8(buffer.subarray(at, end))) return undefined;
  return text;
}

/** Up to 12 bytes, or `undefined` if they are not all ASCII. Strings up to 12 are joined flat, so pieces are cheap. */
function readShort(buffer: Buffer, at: number, length: number): string | undefined {
  if (length <= 4) return readFour(buffer, at, length);
  let text = readFour(buffer, at, 4);
  for (let done = 4; text !== undefined && done < length; done += 4) {
    const piece = readFour(buffer, at + done, length - done);
    text = piece === undefined ? undefined : text + piece;
  }
  return text;
}

function readFour(buffer: Buffer, at: number, length: number): string | undefined {
  if (length <= 0) return "";
  const a = buffer[at]!;
  if (length === 1) return a > 0x7f ? undefined : String.fromCharCode(a);
  const b = buffer[at + 1]!;
  if (length === 2) return (a | b) > 0x7f ? undefined : String.fromCharCode(a, b);
  const c = buffer[at + 2]!;
  if (length === 3) return (a | b | c) > 0x7f ? undefined : String.fromCharCode(a, b, c);
  const d = buffer[at + 3]!;
  return (a | b | c | d) > 0x7f ? undefined : String.fromCharCode(a, b, c, d);
}

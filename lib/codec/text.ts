import { DecodeError, EncodeError } from "../errors.js";
import { carriers } from "./blocks.js";
import { type Codec, NO_BLOCKS, NO_ROOM, noRoom, type Scratch } from "./codec.js";
import { type Field, fieldOf } from "./field.js";
import { checkLength } from "./fields.js";
import { describe } from "./path.js";
import { ILL_FORMED, readText, writeText } from "./utf8.js";

/**
 * Strings, as UTF-8. A codec of its own, and the type of a field: `struct({ symbol: text() })`.
 *
 * The other side may have `json()`: then the strings are the JSON of its messages, without blocks.
 *
 * A string with a lone surrogate is refused by the sender (`ERR_RINGBELL_ENCODE`), as UTF-8 can't carry it; bytes that are
 * not valid UTF-8 are refused by the receiver (`ERR_RINGBELL_DECODE`). Nothing is ever replaced by U+FFFD.
 */
export function text(): Codec<string> & Field<string>;
/**
 * A field for strings of up to `bytes` bytes of UTF-8, with a slot of that size: a `char name[bytes]` in C, filled up with zeros
 * and, if full, without one at its end. A string with U+0000 in it is refused; in what arrives, it ends the string.
 */
export function text(bytes: number): Field<string>;
export function text(bytes?: number): Field<string> {
  if (bytes === undefined) return textCodec;
  checkLength(bytes, "the length of a text");
  return fieldOf({
    kind: "text",
    length: bytes,
    size: bytes,
    align: 1,
    variable: false,
    text: `text(${bytes})`,
  });
}

const textCodec: Codec<string> & Field<string> = Object.freeze({
  ...fieldOf<string>({ kind: "text", length: undefined, size: 4, align: 4, variable: true, text: "text" }),
  name: "text",
  fingerprint: "text",
  encode(message: string, scratch: Scratch, offset: number): number {
    if (typeof message !== "string") {
      throw new EncodeError(`must be a string; it is ${describe(message)}${carriers(message)}`, "");
    }
    const bytes = writeText(message, scratch, offset, scratch.length);
    if (bytes === ILL_FORMED)
      throw new EncodeError("the string has a lone surrogate, which UTF-8 can't carry", "");
    return bytes === NO_ROOM ? noRoom(Buffer.byteLength(message)) : bytes;
  },
  decode(scratch: Scratch, offset: number, bytes: number, blocks = NO_BLOCKS): string {
    // A peer with json() sent them. What stands for them in its text means nothing without them.
    if (blocks.length > 0) throw new DecodeError("the message has blocks, which text() does not carry", "");
    const message = readText(scratch, offset, offset + bytes);
    if (message === undefined) throw new DecodeError("not valid UTF-8", "");
    return message;
  },
});

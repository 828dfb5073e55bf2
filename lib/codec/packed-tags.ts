/*
 * The bytes of packed(). A message is a value, then perhaps introductions of shapes, then one byte that says whether there are any:
 *
 *   value | 0
 *   value | introductions | u32: bytes of the introductions | 1
 *
 * A value begins with a tag. Numbers are little-endian; a count is a varint, 7 bits a byte, the low ones first.
 *
 *   00..7f           the integer 0 to 127
 *   80..bf           a string of 0 to 63 characters up to U+00FF, a byte each
 *   c0..c3, u8       an object: the low bits of the tag and the byte are the number of its shape. Its values follow, in the order of the keys
 *   other tags       below, each with what follows it
 *
 * An introduction is the number of the shape (u16), the count of its keys, and the keys as strings. A reader takes all introductions before it
 * reads the value. So a message that can't be read for another reason has introduced its shapes all the same.
 */

export const SHORT_STRING = 0x80;
export const SHAPE = 0xc0;
/** An object with its keys: the count; each key as a string, and its value. */
export const OBJECT = 0xc4;
/** The count, and the values. */
export const ARRAY = 0xc5;
export const NULL = 0xc6;
export const UNDEFINED = 0xc7;
export const TRUE = 0xc8;
export const FALSE = 0xc9;
/** i32. */
export const INTEGER = 0xca;
/** f64. */
export const DOUBLE = 0xcb;
/** u32: the number of characters up to U+00FF, a byte each. */
export const STRING = 0xcc;
/** u32: the number of UTF-16 units, two bytes each. */
export const WIDE_STRING = 0xcd;
/** i64. */
export const BIGINT = 0xce;
/** u8: 1 if negative; u32: the number of bytes of the magnitude, the high ones first. */
export const LONG_BIGINT = 0xcf;
/** f64: milliseconds; NaN for an invalid date. */
export const DATE = 0xd0;
/** The count; each key as a value, and its value. */
export const MAP = 0xd1;
/** The count, and the values. */
export const SET = 0xd2;
/** u8: the kind as in clone-views.ts; u32: the bytes that follow. */
export const VIEW = 0xd3;
/** u32: the bytes that follow. */
export const ARRAY_BUFFER = 0xd4;
/** The number of the block among those of the message. */
export const BLOCK = 0xd5;

/** The last byte of a message. */
export const NO_INTRODUCTIONS = 0;
export const INTRODUCTIONS = 1;

export const LONGEST_SHORT = 63;

/** Limits of both sides: a sender keeps to them, and a receiver refuses what goes beyond. */
export const MOST_SHAPES = 1024;
export const MOST_KEYS = 64;
/** All keys of the shapes of a lane and direction together: a key counts as its characters and KEY_COST. */
export const KEY_BUDGET = 128 * 1024;
export const KEY_COST = 16;
/** How deep containers may stand in each other. */
export const MOST_DEPTH = 1000;

/** What the keys of a shape take of the budget. */
export function costOf(keys: readonly string[]): number {
  let cost = KEY_COST;
  for (const key of keys) cost += key.length + KEY_COST;
  return cost;
}

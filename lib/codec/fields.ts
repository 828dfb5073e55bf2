import type { Block } from "../bulk/block.js";
import { InvalidArgumentError } from "../errors.js";
import {
  type ArrayShape,
  type Field,
  fieldOf,
  isField,
  LONGEST_SLOT,
  type NumberType,
  type OptionalField,
  type OptionalShape,
} from "./field.js";

function number<T>(type: NumberType, size: number): Field<T> {
  return fieldOf({ kind: "number", type, size, align: size, variable: false, text: type });
}

/** An integer from 0 to 255. */
export const u8: Field<number> = number("u8", 1);
/** An integer from -128 to 127. */
export const i8: Field<number> = number("i8", 1);
/** An integer from 0 to 65,535. */
export const u16: Field<number> = number("u16", 2);
/** An integer from -32,768 to 32,767. */
export const i16: Field<number> = number("i16", 2);
/** An integer from 0 to 4,294,967,295. */
export const u32: Field<number> = number("u32", 4);
/** An integer from -2,147,483,648 to 2,147,483,647. */
export const i32: Field<number> = number("i32", 4);
/** An integer from 0 to `Number.MAX_SAFE_INTEGER`, as a number; 8 bytes, an `uint64_t` in C. */
export const u53: Field<number> = number("u53", 8);
/** A safe integer, as a number; 8 bytes, an `int64_t` in C. */
export const i53: Field<number> = number("i53", 8);
/** A bigint from 0 to 2^64 - 1. Slower than `u53`, as each bigint is allocated. */
export const u64: Field<bigint> = number("u64", 8);
/** A bigint from -2^63 to 2^63 - 1. Slower than `i53`, as each bigint is allocated. */
export const i64: Field<bigint> = number("i64", 8);
/** A number rounded to single precision. NaN and infinities are carried; a finite number too large is refused. */
export const f32: Field<number> = number("f32", 4);
/** Any number. */
export const f64: Field<number> = number("f64", 8);
/** `true` or `false`; one byte. */
export const bool: Field<boolean> = fieldOf({
  kind: "bool",
  size: 1,
  align: 1,
  variable: false,
  text: "bool",
});

/** A block of the channel: its memory goes along by reference, and takes 4 bytes of the message. Each once in a message. */
export const block: Field<Block> = fieldOf({
  kind: "block",
  size: 4,
  align: 4,
  variable: false,
  text: "block",
});

/**
 * One of the strings given (1 to 65,536, all different): `oneOf("buy", "sell")`. On the wire its position in this list,
 * in one byte, or two if there are more than 256.
 */
export function oneOf<const Values extends readonly [string, ...string[]]>(
  ...values: Values
): Field<Values[number]> {
  if (values.length === 0 || values.length > 65_536 || values.some((value) => typeof value !== "string")) {
    throw new InvalidArgumentError("oneOf(…)", "a list of 1 to 65,536 strings", values);
  }
  if (new Set(values).size !== values.length) {
    throw new InvalidArgumentError("oneOf(…)", "a list without duplicates", values);
  }
  const size = values.length <= 256 ? 1 : 2;
  const text = `oneOf(${values.map((value) => JSON.stringify(value)).join(", ")})`;
  return fieldOf({ kind: "enum", values: [...values], size, align: size, variable: false, text });
}

/** A field that may be missing or `undefined` (not `null`); it arrives as `undefined`. */
export function optional<T>(field: Field<T>): OptionalField<T> {
  const of = shapeOf(field, "optional(…)");
  if (of.kind === "optional")
    throw new InvalidArgumentError("optional(…)", "a field that is not optional already", field);
  const shape: OptionalShape = {
    kind: "optional",
    of,
    offset: of.align,
    size: of.align + of.size,
    align: of.align,
    variable: of.variable,
    text: `optional(${of.text})`,
  };
  checkSize(shape.size, shape.text);
  return { ...fieldOf<T | undefined>(shape), optional: true };
}

/** An array of any length, or of exactly `length` (at least 1) elements. */
export function array<T>(of: Field<T>, length?: number): Field<T[]> {
  const element = shapeOf(of, "array(…)");
  // Its count would be held to nothing: a message of a few bytes could have billions of elements.
  if (element.size === 0)
    throw new InvalidArgumentError("array(…)", "a field that takes at least a byte", of);
  if (length !== undefined) checkLength(length, "the length of an array");
  const shape: ArrayShape = {
    kind: "array",
    of: element,
    length,
    size: length === undefined ? 4 : length * element.size,
    align: length === undefined ? 4 : element.align,
    variable: length === undefined || element.variable,
    text: length === undefined ? `array(${element.text})` : `array(${element.text}, ${length})`,
  };
  checkSize(shape.size, shape.text);
  return fieldOf(shape);
}

/** The shape of what should be a field. */
export function shapeOf(field: unknown, argument: string) {
  if (!isField(field)) throw new InvalidArgumentError(argument, "a field such as u32 or text()", field);
  return field.shape;
}

/** Refuses lengths that are not positive integers. */
export function checkLength(length: unknown, argument: string): asserts length is number {
  if (!Number.isInteger(length) || (length as number) < 1 || (length as number) > LONGEST_SLOT) {
    throw new InvalidArgumentError(argument, `an integer from 1 to ${LONGEST_SLOT}`, length);
  }
}

/** Refuses what no ring could carry. */
export function checkSize(size: number, text: string): void {
  if (size > LONGEST_SLOT) {
    const what = text.length > 80 ? `${text.slice(0, 80)}…` : text;
    throw new InvalidArgumentError(`the size of ${what}`, `at most ${LONGEST_SLOT} bytes`, size);
  }
}

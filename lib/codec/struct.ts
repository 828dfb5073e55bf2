import { createHash } from "node:crypto";
import { InvalidArgumentError } from "../errors.js";
import { canGenerate, type Decode, type Encode } from "./code.js";
import type { Codec } from "./codec.js";
import {
  alignUp,
  type Field,
  fieldOf,
  type Member,
  type OptionalField,
  type RootShape,
  type StructShape,
} from "./field.js";
import { checkSize, shapeOf } from "./fields.js";
import { generateDecoder } from "./generate-decoder.js";
import { generateEncoder } from "./generate-encoder.js";
import { inlineOfShape } from "./generate-inline.js";
import { roomFor } from "./growth.js";
import { goesInline } from "./inline.js";
import { isIdentifier } from "./path.js";
import { closureDecoder } from "./readers.js";
import { closureEncoder } from "./writers.js";

/** The argument of `struct`: a field for each key. */
export type StructFields = Readonly<Record<string, Field<unknown>>>;

type OptionalKeys<F extends StructFields> = {
  [K in keyof F]: F[K] extends OptionalField<unknown> ? K : never;
}[keyof F];
type ValueOf<F> = F extends Field<infer T> ? T : never;

/** The messages of a struct with the fields F. */
export type StructOf<F extends StructFields> = {
  -readonly [K in keyof F as K extends OptionalKeys<F> ? never : K]: ValueOf<F[K]>;
} & {
  -readonly [K in OptionalKeys<F>]?: ValueOf<F[K]>;
} extends infer T
  ? { [K in keyof T]: T[K] }
  : never;

/** A codec for objects with known fields, and itself the type of a field in another struct. */
export interface StructCodec<T> extends Codec<T>, Field<T> {
  readonly name: "struct";
  /** The canonical text of the fields, such as `{ id: u32, price: f64 }`. */
  readonly schema: string;
  /** Bytes of the fixed part: of the whole message, if no field is of variable length. */
  readonly size: number;
}

/**
 * Objects with known fields, as a C struct and what does not fit into one behind it.
 *
 * ```ts
 * const Tick = struct({ id: u32, price: f64 });
 * type Tick = Infer<typeof Tick>;   // { id: number; price: number }
 * ```
 *
 * Sending, every value is checked (`ERR_RINGBELL_ENCODE` names the field); keys that are not in the struct are ignored, so
 * an object that has more can be sent. Receiving, every byte that means something is checked (`ERR_RINGBELL_DECODE`).
 * Two sides agree if their structs have the same fields of the same types in the same order.
 *
 * ## The message in bytes
 *
 * Little-endian. The message begins with the fixed part: a slot for each field, in the order of the definition, laid out as
 * a C compiler for x86-64 or AArch64 lays out a struct: each at the next multiple of its alignment, the struct aligned as
 * its most aligned field, its size rounded up to that. The message begins at a multiple of 8. Behind the fixed part comes
 * the tail, with what has no fixed size. A message of a struct without such fields is its fixed part.
 *
 * | field | slot in C | alignment | in the tail |
 * | --- | --- | --- | --- |
 * | `u8` … `u64`, `i8` … `i64` | `uint8_t` … `int64_t` | its size | |
 * | `u53`, `i53` | `uint64_t`, `int64_t` | 8 | |
 * | `f32`, `f64` | `float`, `double` | 4, 8 | |
 * | `bool` | `uint8_t`: 0 or 1 | 1 | |
 * | `oneOf(…)` | `uint8_t`, `uint16_t` if more than 256: the position in the list, from 0 | its size | |
 * | `text(n)` | `char[n]`: UTF-8, then zeros | 1 | |
 * | `bytes(n)` | `uint8_t[n]` | 1 | |
 * | `block` | `uint32_t`: which of the blocks that come along with the message, from 0; each stands there once | 4 | |
 * | `text()`, `bytes()` | `uint32_t`: the number of bytes | 4 | the bytes |
 * | `array(x, n)` | `x[n]` | that of x | what each element has there |
 * | `array(x)` | `uint32_t`: the number of elements | 4 | zeros up to the alignment of x, a slot for each element, then what each element has in the tail |
 * | `struct({…})` | the struct | of its most aligned field | what each field has there |
 * | `optional(x)` | `struct { uint8_t there; x value; }`: `there` is 0 or 1 | that of x | if there, what x has |
 * | `union(…)` | `uint8_t`, `uint16_t` if more than 256: the position of the variant | its size | zeros up to the alignment of the variant's struct, the struct, then what its fields have in the tail |
 *
 * The tail is filled in the order of the fields, going down into elements and structs as they come, without gaps except
 * before an array or a variant; offsets for their alignment count from the beginning of the message. The message ends where its tail ends.
 * Padding and the value of an absent optional are sent as zeros and ignored when received. So
 *
 * ```ts
 * struct({ id: u32, side: oneOf("buy", "sell"), price: f64, name: text(), fills: array(struct({ at: f64, size: u32 })) })
 * ```
 *
 * is, with the name "ab" and one fill,
 *
 * ```
 *   0      4    5     8              16          20          24    26      32           40         44     48
 *   +------+----+-----+--------------+-----------+-----------+-----+-------+------------+----------+------+
 *   | id   |side|  0  | price        | name: 2   | fills: 1  | a b |   0   | at         | size     |  0   |
 *   +------+----+-----+--------------+-----------+-----------+-----+-------+------------+----------+------+
 *   |<---------------- fixed part: struct message ---------->|<-------------- tail ---------------------->|
 * ```
 *
 * @throws InvalidArgumentError (`ERR_RINGBELL_INVALID_ARGUMENT`) for what is no field, and for names that are array indexes
 * (they have no order of their own) or `__proto__`.
 */
export function struct<F extends StructFields>(fields: F): StructCodec<StructOf<F>> {
  return makeStruct<StructOf<F>>(layOut(fields), canGenerate());
}

/** Makes the codec of a struct; `generated`: by generated code, else by closures. */
export function makeStruct<T>(shape: StructShape, generated: boolean): StructCodec<T> {
  const codec = { ...makeCodec<T>(shape, generated), name: "struct", size: shape.size } as const;
  return goesInline(Object.freeze(codec), inlineOfShape(shape, generated));
}

/** The parts that the codecs of structs and unions have in common. */
export function makeCodec<T>(shape: RootShape, generated: boolean): Omit<Codec<T>, "name"> & Field<T> {
  const makeRoom = roomFor(shape);
  const slowEncode: Encode = closureEncoder(shape, makeRoom);
  const slowDecode: Decode = closureDecoder(shape);
  return {
    ...fieldOf<T>(shape),
    fingerprint: fingerprintOf(shape.text),
    encode: generated ? generateEncoder(shape, slowEncode, makeRoom) : slowEncode,
    decode: (generated ? generateDecoder(shape, slowDecode) : slowDecode) as Codec<T>["decode"],
  };
}

// The number is that of the wire layout; it goes up when a message of the same text would look different.
function fingerprintOf(text: string): string {
  return createHash("sha256").update(`ringbell struct 1 ${text}`).digest("hex").slice(0, 16);
}

/** Refuses what is no key whose place among the others is that of its definition. */
export function checkKey(name: string, argument: string): void {
  if (name === "__proto__" || /^(0|[1-9][0-9]*)$/.test(name)) {
    throw new InvalidArgumentError(argument, 'neither a number nor "__proto__"', name);
  }
}

/** A key in the canonical text. */
export function keyText(name: string): string {
  return isIdentifier(name) ? name : JSON.stringify(name);
}

/** Gives each field its offset. */
export function layOut(fields: StructFields): StructShape {
  if (typeof fields !== "object" || fields === null) {
    throw new InvalidArgumentError("struct(…)", "an object with a field for each key", fields);
  }
  const members: Member[] = [];
  const gaps: [number, number][] = [];
  let size = 0;
  let align = 1;
  const padTo = (alignment: number) => {
    const next = alignUp(size, alignment);
    if (next !== size) gaps.push([size, next]);
    size = next;
  };
  for (const [name, field] of Object.entries(fields)) {
    checkKey(name, "the name of a field");
    const shape = shapeOf(field, `the field ${JSON.stringify(name)}`);
    padTo(shape.align);
    members.push({ name, shape, offset: size });
    size += shape.size;
    align = Math.max(align, shape.align);
  }
  padTo(align);
  const text = members.map(({ name, shape }) => `${keyText(name)}: ${shape.text}`);
  const variable = members.some(({ shape }) => shape.variable);
  const whole: StructShape = {
    kind: "struct",
    members,
    gaps,
    size,
    align,
    variable,
    text: text.length === 0 ? "{}" : `{ ${text.join(", ")} }`,
  };
  checkSize(size, whole.text);
  return whole;
}

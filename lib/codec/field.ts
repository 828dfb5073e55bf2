import type { Codec } from "./codec.js";

/** How a value of a struct is laid out. `size` and `align` are those of its slot, in bytes. */
interface Slot {
  readonly size: number;
  readonly align: number;
  /** Whether there is more of it in the tail of the message. */
  readonly variable: boolean;
  /** The canonical text. Shapes of the same text have the same layout. */
  readonly text: string;
}

export type NumberType =
  | "u8"
  | "i8"
  | "u16"
  | "i16"
  | "u32"
  | "i32"
  | "u53"
  | "i53"
  | "u64"
  | "i64"
  | "f32"
  | "f64";

export interface NumberShape extends Slot {
  readonly kind: "number";
  readonly type: NumberType;
}
export interface BoolShape extends Slot {
  readonly kind: "bool";
}
export interface EnumShape extends Slot {
  readonly kind: "enum";
  readonly values: readonly string[];
}
/** Fixed if `length` is set: so many bytes in the slot, filled up with zeros. Else the slot holds the length. */
export interface TextShape extends Slot {
  readonly kind: "text";
  readonly length: number | undefined;
}
/** As text, but a fixed one has exactly `length` bytes. */
export interface BytesShape extends Slot {
  readonly kind: "bytes";
  readonly length: number | undefined;
  readonly copy: boolean;
}
/** The slot holds the number of the block among those of the message. */
export interface BlockShape extends Slot {
  readonly kind: "block";
}
export interface OptionalShape extends Slot {
  readonly kind: "optional";
  readonly of: Shape;
  /** Where the value's slot stands in this slot; before it a byte that says whether there is one. */
  readonly offset: number;
}
/** Fixed if `length` is set: so many slots in this slot. Else the slot holds the number of elements. */
export interface ArrayShape extends Slot {
  readonly kind: "array";
  readonly of: Shape;
  readonly length: number | undefined;
}
export interface StructShape extends Slot {
  readonly kind: "struct";
  readonly members: readonly Member[];
  /** Bytes of the slot that belong to no member, as [from, to). */
  readonly gaps: readonly (readonly [number, number])[];
}
export interface Member {
  readonly name: string;
  readonly shape: Shape;
  readonly offset: number;
}
/** The slot holds the position of the variant; its struct is in the tail. */
export interface UnionShape extends Slot {
  readonly kind: "union";
  /** The property whose value names the variant. */
  readonly tag: string;
  readonly variants: readonly Variant[];
}
export interface Variant {
  readonly name: string;
  readonly shape: StructShape;
}

export type Shape =
  | NumberShape
  | BoolShape
  | EnumShape
  | TextShape
  | BytesShape
  | BlockShape
  | OptionalShape
  | ArrayShape
  | StructShape
  | UnionShape;

/** The shapes that a codec can be made of. */
export type RootShape = StructShape | UnionShape;

/** The next multiple of `align`, a power of two. */
export function alignUp(bytes: number, align: number): number {
  return Math.ceil(bytes / align) * align;
}

/** Whether there may be blocks in a value. */
export function holdsBlocks(shape: Shape): boolean {
  switch (shape.kind) {
    case "block":
      return true;
    case "optional":
    case "array":
      return holdsBlocks(shape.of);
    case "struct":
      return shape.members.some((member) => holdsBlocks(member.shape));
    case "union":
      return shape.variants.some((variant) => holdsBlocks(variant.shape));
    default:
      return false;
  }
}

/** The longest slot: what the largest ring can carry. */
export const LONGEST_SLOT = 2 ** 29 - 8;

declare const type: unique symbol;

/** A type that a field of a struct can have, with values of type T. Made by `u32`, `text()`, `array(…)`, `struct({…})` and so on. */
export interface Field<T> {
  /** Its canonical text, such as `array(u32)`. */
  readonly schema: string;
  /** @internal */
  readonly shape: Shape;
  /** Only for the compiler: the type of the values. */
  readonly [type]: T;
}

/** A field that may be missing. */
export interface OptionalField<T> extends Field<T | undefined> {
  readonly optional: true;
}

/** The type of the messages of a codec (those it returns, where they differ), or of the values of a field. */
export type Infer<C> =
  C extends Field<infer T> ? T : C extends Codec<infer _Send, infer Receive> ? Receive : never;

/** Wraps a shape for the user. The type of the values is known to the compiler alone. */
export function fieldOf<T>(shape: Shape): Field<T> {
  return { schema: shape.text, shape } as Field<T>;
}

/** Whether a value is a field, as far as it can be told. */
export function isField(value: unknown): value is Field<unknown> {
  if (typeof value !== "object" || value === null || !("shape" in value)) return false;
  const shape = value.shape;
  return (
    typeof shape === "object" && shape !== null && "kind" in shape && "size" in shape && "align" in shape
  );
}

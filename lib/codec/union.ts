import { InvalidArgumentError } from "../errors.js";
import { canGenerate } from "./code.js";
import type { Codec } from "./codec.js";
import { type Field, isField, type UnionShape, type Variant } from "./field.js";
import { checkKey, keyText, makeCodec, type StructCodec } from "./struct.js";

/** The argument of `union`: a struct for each variant. */
export type UnionVariants = Readonly<Record<string, StructCodec<object>>>;

/** The messages of a union whose variants V are named by the property Tag. */
export type UnionOf<Tag extends string, V extends UnionVariants> = {
  [Name in keyof V]: Tagged<Tag, Name, V[Name]>;
}[keyof V] extends infer T
  ? T
  : never;

type Tagged<Tag extends string, Name, Variant> =
  Variant extends Field<infer Value>
    ? { [K in Tag]: Name } & Value extends infer T
      ? { [K in keyof T]: T[K] }
      : never
    : never;

/** A codec for objects of several shapes, and itself the type of a field. */
export interface UnionCodec<T> extends Codec<T>, Field<T> {
  readonly name: "union";
  /** The canonical text, such as `union(type: tick { id: u32, price: f64 } | bye {})`. */
  readonly schema: string;
}

/** The most variants: what a tag of two bytes can tell apart. */
const MOST_VARIANTS = 65_536;

/**
 * Objects of several shapes, told apart by the value of one property:
 *
 * ```ts
 * const Event = union("type", { tick: struct({ id: u32, price: f64 }), bye: struct({}) });
 * type Event = Infer<typeof Event>;   // { type: "tick"; id: number; price: number } | { type: "bye" }
 * ```
 *
 * Sending, a missing or unknown tag is refused with the names of the variants (`ERR_RINGBELL_ENCODE`, the path is that of the
 * tag), and then all is as for the variant's struct. Receiving, an unknown tag is refused (`ERR_RINGBELL_DECODE`). The tag is the
 * first property of what arrives. Two sides agree if they have the same tag and the same variants in the same order.
 *
 * ## In bytes
 *
 * The slot of a union is the position of the variant in the definition, from 0: an `uint8_t`, or an `uint16_t` if there are
 * more than 256 variants. In the tail there are zeros up to the alignment of the variant's struct, that struct, and then what its
 * fields have in the tail. So a message takes no more bytes than its variant needs, and
 *
 * ```
 *   0      1          8            12           16                24
 *   +------+----------+------------+------------+-----------------+
 *   | tick | 0        | id         | 0          | price           |     { type: "tick", id: 7, price: 2.5 }
 *   +------+----------+------------+------------+-----------------+
 *   |<tag->|          |<---------- struct of the variant -------->|
 *
 *   +------+
 *   | bye  |                                                            { type: "bye" }
 *   +------+
 * ```
 *
 * @throws InvalidArgumentError (`ERR_RINGBELL_INVALID_ARGUMENT`) for 0 or more than 65,536 variants, a variant that is no struct or has
 * a field with the name of the tag, and for names that are array indexes or `__proto__`.
 */
export function union<const Tag extends string, V extends UnionVariants>(
  tag: Tag,
  variants: V,
): UnionCodec<UnionOf<Tag, V>> {
  return makeUnion<UnionOf<Tag, V>>(unionShape(tag, variants), canGenerate());
}

/** Makes the codec of a shape; `generated`: by generated code, else by closures. */
export function makeUnion<T>(shape: UnionShape, generated: boolean): UnionCodec<T> {
  return Object.freeze({ ...makeCodec<T>(shape, generated), name: "union", schema: shape.text } as const);
}

/** Checks the definition of a union, and numbers its variants. */
export function unionShape(tag: string, variants: UnionVariants): UnionShape {
  if (typeof tag !== "string") throw new InvalidArgumentError("the tag of union(…)", "a string", tag);
  checkKey(tag, "the tag of union(…)");
  const entries = typeof variants === "object" && variants !== null ? Object.entries(variants) : [];
  if (entries.length === 0 || entries.length > MOST_VARIANTS) {
    const expected = `an object with a struct for each of 1 to ${MOST_VARIANTS} variants`;
    throw new InvalidArgumentError("union(…)", expected, variants);
  }
  const list = entries.map(([name, struct]) => variantOf(name, struct, tag));
  const size = list.length > 256 ? 2 : 1;
  const text = list.map(({ name, shape }) => `${keyText(name)} ${shape.text}`);
  return {
    kind: "union",
    tag,
    variants: list,
    size,
    align: size,
    variable: true,
    text: `union(${keyText(tag)}: ${text.join(" | ")})`,
  };
}

function variantOf(name: string, struct: unknown, tag: string): Variant {
  checkKey(name, "the name of a variant");
  const argument = `the variant ${JSON.stringify(name)}`;
  const shape = isField(struct) ? struct.shape : undefined;
  if (shape?.kind !== "struct") throw new InvalidArgumentError(argument, "a struct({…})", struct);
  if (shape.members.some((member) => member.name === tag)) {
    throw new InvalidArgumentError(
      argument,
      `a struct without the field ${JSON.stringify(tag)}, which is the tag`,
      struct,
    );
  }
  return { name, shape };
}

export { anyOf } from "./any-of.js";
export type { BytesOptions } from "./bytes.js";
export { bytes } from "./bytes.js";
export { clone } from "./clone.js";
export type { Codec } from "./codec.js";
export { NO_ROOM, Scratch } from "./codec.js";
export type { Field, Infer, OptionalField } from "./field.js";
export {
  array,
  block,
  bool,
  f32,
  f64,
  i8,
  i16,
  i32,
  i53,
  i64,
  oneOf,
  optional,
  u8,
  u16,
  u32,
  u53,
  u64,
} from "./fields.js";
export { json } from "./json.js";
export { packed } from "./packed.js";
export type { AnyOf, CodecOption, Codecs, SingleCodec } from "./resolve.js";
export { assertCodec } from "./resolve.js";
export type { StructCodec, StructFields, StructOf } from "./struct.js";
export { struct } from "./struct.js";
export { text } from "./text.js";
export type { UnionCodec, UnionOf, UnionVariants } from "./union.js";
export { union } from "./union.js";

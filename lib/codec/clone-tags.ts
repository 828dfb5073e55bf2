/*
 * The format of V8's serializer, version 15: the tags, by the names that V8 gives them, and how some values are put into numbers.
 */

/** The version of the format. */
export const FORMAT = 15;

/** The byte before the version, where a message begins. */
export const VERSION = 0xff;

export const PADDING = 0x00;
export const UNDEFINED = 0x5f; // _
export const NULL = 0x30; // 0
export const TRUE = 0x54; // T
export const FALSE = 0x46; // F
export const INTEGER = 0x49; // I
export const DOUBLE = 0x4e; // N
export const BIGINT = 0x5a; // Z
export const ONE_BYTE_STRING = 0x22; // "
export const TWO_BYTE_STRING = 0x63; // c
export const REFERENCE = 0x5e; // ^
export const BEGIN_OBJECT = 0x6f; // o
export const END_OBJECT = 0x7b; // {
export const BEGIN_DENSE_ARRAY = 0x41; // A
export const END_DENSE_ARRAY = 0x24; // $
export const BEGIN_SPARSE_ARRAY = 0x61; // a
export const END_SPARSE_ARRAY = 0x40; // @
export const HOLE = 0x2d; // -
export const DATE = 0x44; // D
export const TRUE_OBJECT = 0x79; // y
export const FALSE_OBJECT = 0x78; // x
export const NUMBER_OBJECT = 0x6e; // n
export const BIGINT_OBJECT = 0x7a; // z
export const STRING_OBJECT = 0x73; // s
export const REGEXP = 0x52; // R
export const BEGIN_MAP = 0x3b; // ;
export const END_MAP = 0x3a; // :
export const BEGIN_SET = 0x27; // '
export const END_SET = 0x2c; // ,
export const ARRAY_BUFFER = 0x42; // B
export const RESIZABLE_ARRAY_BUFFER = 0x7e; // ~
export const ERROR = 0x72; // r
export const HOST_OBJECT = 0x5c; // \

/** Tags within an error, each before what it names. */
export const ERROR_MESSAGE = 0x6d; // m
export const ERROR_STACK = 0x73; // s
export const ERROR_CAUSE = 0x63; // c
export const ERROR_END = 0x2e; // .

/** The tags of the classes of errors that the format knows. */
export const ERROR_CLASSES: ReadonlyMap<string, number> = new Map([
  ["EvalError", 0x45],
  ["RangeError", 0x52],
  ["ReferenceError", 0x46],
  ["SyntaxError", 0x53],
  ["TypeError", 0x54],
  ["URIError", 0x55],
]);

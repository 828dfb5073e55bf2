import type { StandardSchemaV1 } from "@standard-schema/spec";
import { type Block, setAttach } from "../bulk/block.js";
import { DecodeError, EncodeError } from "../errors.js";
import { attachBlocks, releasing } from "./blocks.js";
import { type Codec, NO_BLOCKS, noRoom, type Scratch } from "./codec.js";
import { meet, revive, splitMark, swapMet } from "./json-blocks.js";
import { keep, keptWith } from "./kept.js";
import { locateInJson } from "./locate.js";
import { describe } from "./path.js";
import { standardOf, validate } from "./schema.js";
import { ILL_FORMED, readText, writeText } from "./utf8.js";

/**
 * Messages as JSON. What `JSON.stringify` makes of a message is what arrives: Dates as strings, NaN as `null`, Maps as `{}`,
 * without properties that are `undefined` or functions. A lone surrogate in a string is carried, as JSON escapes it.
 *
 * With a schema (of any library that follows Standard Schema: zod, valibot, arktype, …) what arrives is checked, and the
 * schema's output is what the program gets: `ERR_RINGBELL_VALIDATION` if the schema refuses it,
 * `ERR_RINGBELL_ASYNC_SCHEMA` if the schema can't say at once. What is sent is not checked: the receiver does it. The schema is no
 * part of the fingerprint; each side may have its own.
 *
 * Blocks can stand anywhere in a message, each once, and arrive there as blocks; to a schema they are instances of Block, such as
 * `z.instanceof(Block)`. If it refuses the message they are released; what it leaves out is not, before it is garbage-collected.
 *
 * Sending throws `ERR_RINGBELL_ENCODE` for a bigint, a cycle, or a message that is `undefined`, a function or a symbol;
 * receiving throws `ERR_RINGBELL_DECODE` for what is not JSON in valid UTF-8.
 */
export function json<T = unknown>(): Codec<T>;
export function json<Schema extends StandardSchemaV1>(
  schema: Schema,
): Codec<StandardSchemaV1.InferInput<Schema>, StandardSchemaV1.InferOutput<Schema>>;
export function json(schema?: StandardSchemaV1): Codec<unknown> {
  if (schema === undefined) {
    const decode = (scratch: Scratch, offset: number, bytes: number, blocks = NO_BLOCKS) =>
      blocks.length === 0
        ? parse(scratch, offset, bytes)
        : releasing(blocks, () => parseMarked(scratch, offset, bytes, blocks));
    return { ...base, decode };
  }
  const standard = standardOf(schema, "the schema of json(…)");
  const decode = (scratch: Scratch, offset: number, bytes: number, blocks = NO_BLOCKS) =>
    blocks.length === 0
      ? validate(standard, parse(scratch, offset, bytes))
      : releasing(blocks, () => validate(standard, parseMarked(scratch, offset, bytes, blocks)));
  return { ...base, decode };
}

const base = { name: "json", fingerprint: "json", encode };

/** The text of a message that did not fit. */
interface Made {
  readonly text: string;
  readonly blocks: readonly Block[];
}

function encode(message: unknown, scratch: Scratch, offset: number, blocks: Block[]): number {
  const made = keptWith(blocks) as Made | undefined;
  if (made !== undefined) {
    attachBlocks(blocks, made.blocks);
    return write(made.text, scratch, offset);
  }
  // A toJSON of the user may send another message in the midst of this one.
  const outerAttach = setAttach(meet);
  const outerMet = swapMet(undefined);
  let text: string | undefined;
  try {
    text = JSON.stringify(message);
  } catch (cause) {
    // Not `finally`: 5 ns, of 90 for a short message.
    setAttach(outerAttach);
    swapMet(outerMet);
    throw refusal(message, cause);
  }
  setAttach(outerAttach);
  const met = swapMet(outerMet);
  if (text === undefined) {
    const what = message === undefined ? "undefined" : describe(message);
    throw new EncodeError(`${what} has no JSON form`, "");
  }
  if (met !== undefined) {
    attachBlocks(blocks, met.blocks);
    text = met.mark + text;
  }
  const bytes = write(text, scratch, offset);
  if (bytes < 0) keep(blocks, { text, blocks: met?.blocks ?? [] } satisfies Made);
  return bytes;
}

function write(text: string, scratch: Scratch, offset: number): number {
  const bytes = writeText(text, scratch, offset, scratch.length);
  if (bytes >= 0) return bytes;
  // Only by JSON.rawJSON: JSON.stringify itself escapes them.
  if (bytes === ILL_FORMED) {
    throw new EncodeError("the text has a lone surrogate, which UTF-8 can't carry", "");
  }
  return noRoom(Buffer.byteLength(text));
}

function refusal(message: unknown, cause: unknown): EncodeError {
  const fault = locateInJson(message);
  const why = cause instanceof Error ? cause.message : String(cause);
  return new EncodeError(fault?.message ?? `JSON.stringify failed: ${why}`, fault?.path ?? "", { cause });
}

function parse(scratch: Scratch, offset: number, bytes: number): unknown {
  return parseText(textOf(scratch, offset, bytes));
}

function parseMarked(
  scratch: Scratch,
  offset: number,
  bytes: number,
  blocks: (Block | undefined)[],
): unknown {
  const [mark, text] = splitMark(textOf(scratch, offset, bytes));
  return revive(parseText(text), mark, blocks);
}

function textOf(scratch: Scratch, offset: number, bytes: number): string {
  const text = readText(scratch, offset, offset + bytes);
  if (text === undefined) throw new DecodeError("not valid UTF-8", "");
  return text;
}

function parseText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DecodeError(`not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, "", {
      cause,
    });
  }
}

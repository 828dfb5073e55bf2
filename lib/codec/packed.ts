import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Block } from "../bulk/block.js";
import { DecodeError, EncodeError } from "../errors.js";
import { attachBlocks, releasing } from "./blocks.js";
import { type Codec, NO_BLOCKS, noRoom, type Scratch } from "./codec.js";
import { keep, keptWith } from "./kept.js";
import { learns, type Outgoing } from "./lane-codec.js";
import { Dictionary, type Shape } from "./packed-dictionary.js";
import { Introductions } from "./packed-introductions.js";
import { TooLong } from "./packed-output.js";
import { Reader } from "./packed-reader.js";
import { LearntShapes } from "./packed-shapes.js";
import { INTRODUCTIONS, NO_INTRODUCTIONS } from "./packed-tags.js";
import { encodeErrorOf, Writer } from "./packed-writer.js";
import { describe } from "./path.js";
import { standardOf, validate } from "./schema.js";

/**
 * Objects in few bytes, several times as fast as `json()`. It carries what JSON carries, and Date, Map, Set, bigint, `undefined`, NaN, -0,
 * infinities, ArrayBuffer, typed arrays and blocks; docs/api.md has a table. Both sides must have it.
 *
 * The keys of an object are its shape. A lane sends a shape once, when its keys come for the second time, and then by number: up to 1,024
 * shapes of up to 64 keys in each direction. An object beyond that is sent with its keys, as one is that is used as a map.
 *
 * With a schema (of any library that follows Standard Schema) what arrives is checked, and the schema's output is what the program gets, as with
 * `json(schema)`: `ERR_RINGBELL_VALIDATION` if the schema refuses it, `ERR_RINGBELL_ASYNC_SCHEMA` if it can't say at once.
 *
 * Blocks can stand anywhere in a message, each once. A string of 13 to 63 characters that the program keeps may hold up to 4 KiB of the text of its
 * message.
 *
 * Sending throws `ERR_RINGBELL_ENCODE`, with the path, for a cycle, for more than 1,000 levels, for a getter or toJSON that throws, for memory that
 * was transferred or is shared, and for a message that is a function or a symbol. Receiving throws `ERR_RINGBELL_DECODE` for other bytes.
 */
export function packed<T = unknown>(): Codec<T>;
export function packed<Schema extends StandardSchemaV1>(
  schema: Schema,
): Codec<StandardSchemaV1.InferInput<Schema>, StandardSchemaV1.InferOutput<Schema>>;
export function packed(schema?: StandardSchemaV1): Codec<unknown> {
  const standard = schema === undefined ? undefined : standardOf(schema, "the schema of packed(…)");
  const codec = {
    ...base,
    // Without a lane a message stands alone: the same message gives the same bytes.
    encode: (message: unknown, scratch: Scratch, offset: number, blocks: Block[]) =>
      new Sender(undefined).encode(message, scratch, offset, blocks),
    decode: decoder(() => new Reader(new LearntShapes()), standard),
  };
  return learns(codec, {
    sender(lane) {
      const sender = new Sender(lane);
      return {
        encode: (message, scratch, offset, blocks) => sender.encode(message, scratch, offset, blocks),
      };
    },
    receiver() {
      const reader = new Reader(new LearntShapes());
      return { decode: decoder(() => reader, standard) };
    },
  });
}

const base = { name: "packed", fingerprint: "packed 1" };

type Decode = Codec<unknown>["decode"];

/** A message that did not fit. */
interface Made {
  readonly bytes: Uint8Array;
  readonly blocks: readonly Block[];
  readonly introduced: readonly Shape[];
}

/** Encodes the messages of a lane. */
class Sender {
  private readonly dictionary = new Dictionary();
  private readonly introductions: Introductions;
  /** Not in use. A getter of a message may send another one meanwhile. */
  private idle: Writer | undefined;

  constructor(lane: Outgoing | undefined) {
    this.introductions = new Introductions(lane);
  }

  encode(message: unknown, scratch: Scratch, offset: number, blocks: Block[]): number {
    if (this.introductions.some) this.introductions.settle();
    const made = keptWith(blocks) as Made | undefined;
    if (made !== undefined) return this.put(made, scratch, offset, blocks);
    const writer = this.idle ?? new Writer(this.dictionary);
    this.idle = undefined;
    writer.begin(scratch, offset);
    try {
      writer.value(message, "");
      const { introduced } = writer;
      if (introduced.length === 0) writer.byte(NO_INTRODUCTIONS);
      else introduce(writer, introduced);
      if (writer.scratch === scratch && introduced.length === 0 && writer.blocks.length === 0) {
        const bytes = writer.at - offset;
        if (bytes === 2) refuseNothing(message);
        return bytes;
      }
      return this.finish(writer, scratch, offset, blocks);
    } catch (thrown) {
      if (thrown instanceof TooLong) return noRoom(thrown.bytes);
      throw thrown instanceof Refusal ? thrown.error : encodeErrorOf(thrown, message);
    } finally {
      writer.reset();
      this.idle = writer;
    }
  }

  /** Finishes a message that is not all at its place, or is more than its bytes. */
  private finish(writer: Writer, scratch: Scratch, offset: number, blocks: Block[]): number {
    const { introduced } = writer;
    const bytes = writer.at - offset;
    try {
      attachBlocks(blocks, writer.blocks);
    } catch (error) {
      throw new Refusal(error);
    }
    if (writer.scratch !== scratch) {
      const written = writer.scratch.buffer.subarray(offset, writer.at);
      if (bytes > scratch.length - offset) {
        keep(blocks, { bytes: written, blocks: writer.blocks, introduced } satisfies Made);
        return noRoom(bytes);
      }
      scratch.buffer.set(written, offset);
    }
    this.note(introduced, bytes, blocks);
    return bytes;
  }

  /** Writes a message that was made before. */
  private put(made: Made, scratch: Scratch, offset: number, blocks: Block[]): number {
    const { length } = made.bytes;
    if (length > scratch.length - offset) return noRoom(length);
    attachBlocks(blocks, made.blocks);
    scratch.buffer.set(made.bytes, offset);
    this.note(made.introduced, length, blocks);
    return length;
  }

  private note(introduced: readonly Shape[], bytes: number, blocks: readonly Block[]): void {
    // A message with blocks may be refused by the receiver before the codec has seen it, where there is no memory for them.
    if (introduced.length > 0 && blocks.length === 0) this.introductions.add(introduced, bytes);
  }
}

/** An error of this package that is thrown as it is. */
class Refusal {
  constructor(readonly error: unknown) {}
}

function refuseNothing(message: unknown): void {
  if (typeof message !== "function" && typeof message !== "symbol") return;
  throw new Refusal(new EncodeError(`${describe(message)} can't be sent`, ""));
}

function introduce(writer: Writer, shapes: readonly Shape[]): void {
  const { at } = writer;
  for (const { id, keys } of shapes) {
    writer.pair(id & 0xff, id >>> 8);
    writer.varint(keys.length);
    for (const key of keys) writer.text(key);
  }
  writer.u32(writer.at - at);
  writer.byte(INTRODUCTIONS);
}

function decoder(readerFor: () => Reader, standard: StandardSchemaV1.Props | undefined): Decode {
  const read: Decode = (scratch, offset, bytes, blocks) => {
    let message: unknown;
    try {
      message = readerFor().read(scratch, offset, bytes, blocks);
    } catch (cause) {
      throw decodeErrorOf(cause);
    }
    return standard === undefined ? message : validate(standard, message);
  };
  return (scratch, offset, bytes, blocks = NO_BLOCKS) =>
    blocks.length === 0
      ? read(scratch, offset, bytes, blocks)
      : releasing(blocks, () => read(scratch, offset, bytes, blocks));
}

function decodeErrorOf(cause: unknown): DecodeError {
  if (cause instanceof DecodeError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new DecodeError(`not a message of packed(): ${why}`, "", { cause });
}

import type { Block } from "../bulk/block.js";
import { DecodeError, UnsupportedPlatformError } from "../errors.js";
import { attachBlocks, releasing } from "./blocks.js";
import { boundArrays } from "./clone-bound.js";
import { CloneReader } from "./clone-reader.js";
import { FORMAT } from "./clone-tags.js";
import { CloneWriter } from "./clone-writer.js";
import { type Codec, NO_BLOCKS, noRoom, type Scratch } from "./codec.js";
import { keep, keptWith } from "./kept.js";

/**
 * What `structuredClone` takes and can leave the process: objects, arrays, Map, Set, Date, RegExp, errors, DOMException, bigint,
 * ArrayBuffer, typed arrays, cycles and shared references, of any realm. It arrives as it was, except that class instances become plain
 * objects, that errors keep their class only if it is one of the language's, and that each typed array gets memory of its own (a Buffer
 * stays a Buffer), even if several shared one ArrayBuffer. docs/api.md has a table.
 *
 * Blocks can stand anywhere in objects, arrays, Maps and Sets, each once. A view of the memory of a block is a typed array like others,
 * and copied.
 *
 * Its bytes are those of V8's serializer, of the same version in every version of Node from 20 on. Slower than `json()` for small plain
 * objects.
 *
 * Sending throws `ERR_RINGBELL_ENCODE` for what can't be cloned, such as functions, or can't leave the process, such as a Blob;
 * receiving throws `ERR_RINGBELL_DECODE` for other bytes. In Bun this function throws an UnsupportedPlatformError.
 */
export function clone<T = unknown>(): Codec<T> {
  if (process.versions.bun !== undefined) {
    throw new UnsupportedPlatformError(
      "clone() reads messages by V8's own deserializer, which Bun does not have; use json() or struct(), on both sides",
    );
  }
  return cloneCodec as Codec<T>;
}

/** A message that did not fit. */
interface Made {
  readonly bytes: Uint8Array;
  readonly blocks: readonly Block[];
}

/** Not in use. A getter of a message may send another one meanwhile. */
let idle: CloneWriter | undefined;

const cloneCodec: Codec<unknown> = Object.freeze({
  name: "clone",
  // The second number is that of what stands behind the tag of host objects.
  fingerprint: `clone ${FORMAT} 2`,
  encode(message: unknown, scratch: Scratch, offset: number, blocks: Block[]): number {
    const made = keptWith(blocks) as Made | undefined;
    if (made !== undefined) {
      attachBlocks(blocks, made.blocks);
      return put(made.bytes, scratch, offset);
    }
    const writer = idle ?? new CloneWriter();
    idle = undefined;
    try {
      const met = writer.write(message);
      attachBlocks(blocks, met);
      if (writer.length > scratch.length - offset) {
        const bytes = writer.take();
        keep(blocks, { bytes, blocks: met } satisfies Made);
        return noRoom(bytes.length);
      }
      return put(writer.bytes, scratch, offset);
    } finally {
      writer.reset();
      idle = writer;
    }
  },
  decode(scratch: Scratch, offset: number, bytes: number, blocks = NO_BLOCKS): unknown {
    return blocks.length === 0
      ? deserialize(scratch, offset, bytes, blocks)
      : releasing(blocks, () => deserialize(scratch, offset, bytes, blocks));
  },
});

function put(bytes: Uint8Array, scratch: Scratch, offset: number): number {
  if (bytes.length > scratch.length - offset) return noRoom(bytes.length);
  scratch.buffer.set(bytes, offset);
  return bytes.length;
}

function deserialize(
  scratch: Scratch,
  offset: number,
  bytes: number,
  blocks: (Block | undefined)[],
): unknown {
  try {
    boundArrays(scratch.buffer, offset, bytes);
    const reader = new CloneReader(scratch, offset, bytes, blocks);
    reader.readHeader();
    const message: unknown = reader.readValue();
    if (reader.position() !== bytes) throw new Error("bytes follow the end of the message");
    return message;
  } catch (cause) {
    if (cause instanceof DecodeError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DecodeError(`not a value in the format of V8's serializer: ${why}`, "", { cause });
  }
}

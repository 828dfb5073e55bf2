import { bytes } from "../codec/bytes.js";
import { clone } from "../codec/clone.js";
import { type Codec, Scratch } from "../codec/codec.js";
import { json } from "../codec/json.js";
import { text } from "../codec/text.js";
import type { CodecIdentity } from "../transport/handshake/greetings.js";
import { IN_BLOCK, WITH_BLOCKS } from "../transport/records/record-layout.js";
import { codecOfSchema } from "./schema-text.js";

/** A message, as far as one who watches can read it. */
export interface Reading {
  /** The message as the codec encodes it; undefined if it went in a block, whose memory is not shown. */
  readonly payload: Buffer | undefined;
  /** The bytes of the message. */
  readonly bytes: number;
  /** The blocks that came with it, that of a long message included. */
  readonly blocks: number;
  /** The decoded message, if the codec is known and the message needs no block. */
  readonly decoded: { readonly value: unknown } | undefined;
}

/** Reads messages of a codec that is known by its identity only. */
export class Decoding {
  readonly #codec: Codec<never, unknown> | undefined;

  constructor(identity: CodecIdentity) {
    this.#codec = codecOf(identity);
  }

  /** Whether messages can be decoded. */
  get known(): boolean {
    return this.#codec !== undefined;
  }

  /** Reads the content of a record of this kind. Never throws: what can't be read is not decoded. */
  read(kind: number, content: Buffer): Reading {
    if (kind !== WITH_BLOCKS && kind !== IN_BLOCK) {
      return { payload: content, bytes: content.length, blocks: 0, decoded: this.#decode(content) };
    }
    if (content.length < 8) return { payload: content, bytes: content.length, blocks: 0, decoded: undefined };
    const blocks = content.readUInt32LE(content.length - 8);
    if (kind === IN_BLOCK) {
      return { payload: undefined, bytes: Number(content.readBigUInt64LE(0)), blocks, decoded: undefined };
    }
    const payload = content.subarray(
      0,
      Math.min(content.readUInt32LE(content.length - 4), content.length - 8),
    );
    return { payload, bytes: payload.length, blocks, decoded: undefined };
  }

  #decode(content: Buffer): Reading["decoded"] {
    if (this.#codec === undefined) return undefined;
    // A decoder reads from memory of its own, at a multiple of 8.
    const memory = new ArrayBuffer(8 * Math.ceil(content.length / 8) + 8);
    new Uint8Array(memory).set(content);
    try {
      return { value: this.#codec.decode(new Scratch(memory), 0, content.length, []) };
    } catch {
      return undefined;
    }
  }
}

function codecOf({ name, fingerprint, schema }: CodecIdentity): Codec<never, unknown> | undefined {
  const plain = [json(), text(), bytes(), clone()] as unknown as Codec<never, unknown>[];
  const found = plain.find((codec) => codec.name === name && codec.fingerprint === fingerprint);
  if (found !== undefined || schema === undefined) return found;
  const made = codecOfSchema(schema);
  return made?.fingerprint === fingerprint ? (made as unknown as Codec<never, unknown>) : undefined;
}

import { Deserializer, Serializer } from "node:v8";
import type { Block } from "../bulk/block.js";
import { DecodeError, EncodeError } from "../errors.js";
import { attachBlocks, claimBlock, releasing } from "./blocks.js";
import { Placeholder, type Replaced, replaceBlocks } from "./clone-blocks.js";
import { type Codec, NO_BLOCKS, noRoom, type Scratch } from "./codec.js";
import { locateInClone } from "./locate.js";

/**
 * Anything that `structuredClone` takes: objects, arrays, Map, Set, Date, RegExp, Error, bigint, ArrayBuffer, typed arrays,
 * cycles and shared references. It arrives as it was, except that class instances become plain objects, and that each typed
 * array gets memory of its own (a Buffer stays a Buffer), even if several shared one ArrayBuffer.
 *
 * Blocks can stand anywhere in objects, arrays, Maps and Sets, each once. A view of the memory of a block is a typed array like others,
 * and copied.
 *
 * Its bytes are those of V8's serializer. The version of their format is in the fingerprint: two sides with
 * different ones do not connect. Slower than `json()` for small plain objects.
 *
 * Sending throws `ERR_RINGBELL_ENCODE` for what can't be cloned, such as functions; receiving throws
 * `ERR_RINGBELL_DECODE` for other bytes.
 */
export function clone<T = unknown>(): Codec<T> {
  return cloneCodec as Codec<T>;
}

const cloneCodec: Codec<unknown> = Object.freeze({
  name: "clone",
  fingerprint: `clone ${formatVersion()}`,
  encode(message: unknown, scratch: Scratch, offset: number, blocks: Block[]): number {
    let bytes: Buffer;
    try {
      bytes = serialize(new MessageSerializer(), message);
    } catch (cause) {
      const replaced = replaceBlocks(message);
      if (replaced === undefined) throw refusal(message, cause);
      bytes = serializeReplaced(replaced);
      attachBlocks(blocks, replaced.blocks);
    }
    if (bytes.length > scratch.length - offset) return noRoom(bytes.length);
    scratch.buffer.set(bytes, offset);
    return bytes.length;
  },
  decode(scratch: Scratch, offset: number, bytes: number, blocks = NO_BLOCKS): unknown {
    return blocks.length === 0
      ? deserialize(scratch, offset, bytes, blocks)
      : releasing(blocks, () => deserialize(scratch, offset, bytes, blocks));
  },
});

function serialize(serializer: Serializer, message: unknown): Buffer {
  serializer.writeHeader();
  serializer.writeValue(message);
  return serializer.releaseBuffer();
}

function serializeReplaced({ message }: Replaced): Buffer {
  try {
    return serialize(new BlockSerializer(), message);
  } catch (cause) {
    throw refusal(message, cause);
  }
}

/** Given to V8 to throw for a value that it does not clone. An Error has a stack: 3 µs, for nothing if the value was a block. */
class Uncloneable {
  constructor(readonly message: string) {}
}

function refusal(message: unknown, thrown: unknown): EncodeError {
  const cause = thrown instanceof Uncloneable ? new Error(thrown.message) : thrown;
  const fault = locateInClone(message);
  const why = cause instanceof Error ? cause.message : String(cause);
  return new EncodeError(fault?.message ?? why, fault?.path ?? "", { cause });
}

function deserialize(
  scratch: Scratch,
  offset: number,
  bytes: number,
  blocks: (Block | undefined)[],
): unknown {
  try {
    const deserializer = new MessageDeserializer(scratch, offset, bytes, blocks);
    deserializer.readHeader();
    const message: unknown = deserializer.readValue();
    if (deserializer.position() !== bytes) throw new Error("bytes follow the end of the message");
    return message;
  } catch (cause) {
    if (cause instanceof DecodeError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DecodeError(`not a value in the format of V8's serializer: ${why}`, "", { cause });
  }
}

/** The number of a Buffer on the wire; those of the other views follow, and then that of a block. */
const BUFFER = 0;

const viewTypes = [
  Uint8Array,
  Uint8ClampedArray,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float32Array,
  Float64Array,
  BigUint64Array,
  BigInt64Array,
  DataView,
] as const;

const BLOCK = BUFFER + 1 + viewTypes.length;

/**
 * Writes views by themselves: V8 would write the whole ArrayBuffer behind each, which for a small Buffer is a pool
 * that holds other data too.
 */
class MessageSerializer extends Serializer {
  constructor() {
    super();
    (
      this as unknown as { _setTreatArrayBufferViewsAsHostObjects(on: boolean): void }
    )._setTreatArrayBufferViewsAsHostObjects(true);
  }

  _getDataCloneError(message: string): Uncloneable {
    return new Uncloneable(message);
  }

  _writeHostObject(object: object): void {
    const type = viewTypes.findIndex((known) => object instanceof known);
    if (!ArrayBuffer.isView(object) || type === -1) throw new Error(`${nameOf(object)} could not be cloned`);
    this.writeUint32(Buffer.isBuffer(object) ? BUFFER : BUFFER + 1 + type);
    this.writeUint32(object.byteLength);
    this.writeRawBytes(new Uint8Array(object.buffer, object.byteOffset, object.byteLength));
  }
}

/** For the copy of a message with blocks. */
class BlockSerializer extends MessageSerializer {
  override _writeHostObject(object: object): void {
    if (!(object instanceof Placeholder)) {
      super._writeHostObject(object);
      return;
    }
    this.writeUint32(BLOCK);
    this.writeUint32(object.number);
  }
}

class MessageDeserializer extends Deserializer {
  private readonly start: number;

  constructor(
    scratch: Scratch,
    offset: number,
    private readonly bytes: number,
    private readonly blocks: (Block | undefined)[],
  ) {
    const memory = scratch.buffer.subarray(offset, offset + bytes);
    super(memory);
    this.start = memory.byteOffset;
  }

  /** How many bytes were read. */
  position(): number {
    return this.readRawBytes(0).byteOffset - this.start;
  }

  _readHostObject(): object {
    const type = this.readUint32();
    const length = this.readUint32();
    if (type === BLOCK) return claimBlock(this.blocks, length);
    if (length > this.bytes) throw new Error(`a view of ${length} bytes in a message of ${this.bytes}`);
    const raw = this.readRawBytes(length);
    if (type === BUFFER) return Buffer.from(raw);
    const View = viewTypes[type - BUFFER - 1];
    if (View === undefined) throw new Error(`a view of the unknown kind ${type}`);
    const memory = new ArrayBuffer(length);
    new Uint8Array(memory).set(raw);
    // Throws where the length is no multiple of the element's.
    return Reflect.construct(View, [memory]) as object;
  }
}

function nameOf(object: object): string {
  const name: unknown = object.constructor?.name;
  return typeof name === "string" && name !== "" ? `a ${name}` : "an object";
}

function formatVersion(): number {
  const serializer = new Serializer();
  serializer.writeHeader();
  return serializer.releaseBuffer()[1] ?? 0;
}

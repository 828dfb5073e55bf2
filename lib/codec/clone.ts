import { Deserializer, Serializer } from "node:v8";
import { DecodeError, EncodeError } from "../errors.js";
import { type Codec, NO_ROOM, type Scratch } from "./codec.js";
import { locateInClone } from "./locate.js";

/**
 * Anything that `structuredClone` takes: objects, arrays, Map, Set, Date, RegExp, Error, bigint, ArrayBuffer, typed arrays,
 * cycles and shared references. It arrives as it was, except that class instances become plain objects, and that each typed
 * array gets memory of its own (a Buffer stays a Buffer), even if several shared one ArrayBuffer.
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
  encode(message: unknown, scratch: Scratch, offset: number): number {
    let bytes: Buffer;
    try {
      const serializer = new MessageSerializer();
      serializer.writeHeader();
      serializer.writeValue(message);
      bytes = serializer.releaseBuffer();
    } catch (cause) {
      const fault = locateInClone(message);
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new EncodeError(fault?.message ?? why, fault?.path ?? "", { cause });
    }
    if (bytes.length > scratch.length - offset) return NO_ROOM;
    scratch.buffer.set(bytes, offset);
    return bytes.length;
  },
  decode(scratch: Scratch, offset: number, bytes: number): unknown {
    try {
      const deserializer = new MessageDeserializer(scratch.buffer.subarray(offset, offset + bytes));
      deserializer.readHeader();
      const message: unknown = deserializer.readValue();
      if (deserializer.position() !== bytes) throw new Error("bytes follow the end of the message");
      return message;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new DecodeError(`no serialized value: ${why}`, "", { cause });
    }
  },
});

/** The number of a Buffer on the wire; those of the others follow. */
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

  _writeHostObject(object: object): void {
    const type = viewTypes.findIndex((known) => object instanceof known);
    if (!ArrayBuffer.isView(object) || type === -1) throw new Error(`${nameOf(object)} could not be cloned`);
    this.writeUint32(Buffer.isBuffer(object) ? BUFFER : BUFFER + 1 + type);
    this.writeUint32(object.byteLength);
    this.writeRawBytes(new Uint8Array(object.buffer, object.byteOffset, object.byteLength));
  }
}

class MessageDeserializer extends Deserializer {
  private readonly start: number;

  constructor(private readonly bytes: Buffer) {
    super(bytes);
    this.start = bytes.byteOffset;
  }

  /** How many bytes were read. */
  position(): number {
    return this.readRawBytes(0).byteOffset - this.start;
  }

  _readHostObject(): object {
    const type = this.readUint32();
    const length = this.readUint32();
    if (length > this.bytes.length) throw new Error("a view longer than the message");
    const raw = this.readRawBytes(length);
    if (type === BUFFER) return Buffer.from(raw);
    const View = viewTypes[type - BUFFER - 1];
    if (View === undefined) throw new Error("an unknown kind of view");
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

import { HandshakeError } from "../../errors.js";
import { STATUS_QUERY } from "../wire/protocol.js";
import { printable } from "./fields.js";

/**
 * Frames of the handshake. A frame begins with eight lower-case hexadecimal digits: the length of the body in
 * bytes. The body is a JSON object in UTF-8. Anything else (`status`, a web browser, noise) almost never
 * begins with eight such digits.
 */

/** The longest body of a frame, in bytes. */
export const FRAME_LIMIT = 64 * 1024;

/** Bytes before the body. */
const PREFIX = 8;

/** What lines of JSON begin with, and no frame: `{` and `[`. */
const OBJECT = 0x7b;
const ARRAY = 0x5b;

export type Frame = Readonly<Record<string, unknown>>;

/** Returns the frame as bytes, or undefined if its body would be longer than FRAME_LIMIT. */
export function encodeFrame(frame: Frame): Uint8Array | undefined {
  const text = JSON.stringify(frame);
  const length = Buffer.byteLength(text);
  if (length > FRAME_LIMIT) return undefined;
  return Buffer.from(length.toString(16).padStart(PREFIX, "0") + text);
}

/** Finds frames in bytes as they arrive, split and merged as the kernel delivers them. */
export class JsonFrameReader {
  /** The memory doubles when it grows, so that a peer that sends byte by byte costs no more than another. */
  #memory: Buffer = Buffer.alloc(1024);
  #bytes: Buffer = this.#memory.subarray(0, 0);

  /** The bytes that were pushed and not read. */
  get buffered(): number {
    return this.#bytes.length;
  }

  /** Takes a copy of the chunk. */
  push(chunk: Uint8Array): void {
    const { length } = this.#bytes;
    const start = this.#bytes.byteOffset - this.#memory.byteOffset;
    if (start + length + chunk.length > this.#memory.length) {
      const memory = Buffer.alloc(Math.max(this.#memory.length * 2, length + chunk.length));
      this.#bytes.copy(memory);
      memory.set(chunk, length);
      this.#memory = memory;
      this.#bytes = memory.subarray(0, length + chunk.length);
    } else {
      this.#memory.set(chunk, start + length);
      this.#bytes = this.#memory.subarray(start, start + length + chunk.length);
    }
  }

  /**
   * Returns the next frame, or undefined if more bytes are needed. If `query`, it may be "status", for a status query; if `lines`, it may be
   * "lines", for lines of JSON, which begin here. Throws a HandshakeError as soon as the bytes can be no frame, or a frame is too long.
   */
  next(query: boolean, lines = false): Frame | "status" | "lines" | undefined {
    if (lines && (this.#bytes[0] === OBJECT || this.#bytes[0] === ARRAY)) return "lines";
    if (query) {
      const asked = this.#readStatusQuery();
      if (asked !== "no") return asked;
    }
    const length = this.#readLength();
    if (length === undefined || this.#bytes.length < PREFIX + length) return undefined;
    const body = this.#bytes.subarray(PREFIX, PREFIX + length);
    const frame = parse(body);
    this.#bytes = this.#bytes.subarray(PREFIX + length);
    return frame;
  }

  /** Returns the bytes behind the frames that were read. They belong to the transport that follows. */
  rest(): Uint8Array {
    const rest = this.#bytes;
    this.#memory = Buffer.alloc(0);
    this.#bytes = this.#memory;
    return rest;
  }

  #readStatusQuery(): "status" | undefined | "no" {
    const text = this.#bytes.toString("latin1", 0, STATUS_QUERY.length + 1);
    if (text.startsWith(STATUS_QUERY) || text.startsWith("status\r\n")) return "status";
    return text !== "" && (STATUS_QUERY.startsWith(text) || text === "status\r") ? undefined : "no";
  }

  #readLength(): number | undefined {
    const seen = Math.min(PREFIX, this.#bytes.length);
    const text = this.#bytes.toString("latin1", 0, seen);
    if (!/^[0-9a-f]*$/.test(text)) {
      const begin = JSON.stringify(printable(text, PREFIX));
      throw new HandshakeError(
        `the other side does not speak the handshake of ringbell: it begins with ${begin}`,
      );
    }
    if (seen < PREFIX) return undefined;
    const length = Number.parseInt(text, 16);
    if (length > FRAME_LIMIT) {
      throw new HandshakeError(
        `the other side announced a handshake frame of ${length} bytes; at most ${FRAME_LIMIT} are taken`,
      );
    }
    return length;
  }
}

function parse(body: Uint8Array): Frame {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (cause) {
    throw new HandshakeError("the body of a handshake frame must be JSON in UTF-8; it is not", { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const what = Array.isArray(value) ? "an array" : value === null ? "null" : `a ${typeof value}`;
    throw new HandshakeError(`the body of a handshake frame must be a JSON object; it is ${what}`);
  }
  return value as Frame;
}

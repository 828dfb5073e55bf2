import { crc32 } from "node:zlib";

/** The bytes of a recording, as docs/record-format.md says. All numbers are little-endian. */

export const MAGIC = Buffer.from("ringrec\n");
export const END_MAGIC = Buffer.from("ringend\n");
export const VERSION = 1;

/** Bytes before the body of a frame: length, type, checksum of the body, checksum of these three. */
export const FRAME_HEAD = 16;
/** Bytes at the end of a whole recording: where the index begins, and END_MAGIC. */
export const TRAILER = 16;
/** The longest body of a frame: the longest message, and what stands before it. */
export const LONGEST_BODY = 2 ** 30;

export const FrameType = { header: 1, stream: 2, message: 3, missed: 4, end: 5, index: 6 } as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Bytes in the body of a message before its content: stream, kind, time, number. */
export const MESSAGE_HEAD = 24;

export interface FrameHead {
  readonly length: number;
  readonly type: number;
  readonly bodySum: number;
}

export function frame(type: FrameType, ...parts: readonly Buffer[]): Buffer {
  const body = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  const head = Buffer.alloc(FRAME_HEAD);
  head.writeUInt32LE(body.length, 0);
  head.writeUInt32LE(type, 4);
  head.writeUInt32LE(crc32(body), 8);
  head.writeUInt32LE(crc32(head.subarray(0, 12)), 12);
  return Buffer.concat([head, body]);
}

export function jsonFrame(type: FrameType, value: unknown): Buffer {
  return frame(type, Buffer.from(JSON.stringify(value)));
}

/** The body of everything that happens in a stream at a time: a message, messages that were missed, the end of the stream. */
export function happening(stream: number, kind: number, time: number, number: number): Buffer {
  const body = Buffer.alloc(MESSAGE_HEAD);
  body.writeUInt32LE(stream, 0);
  body.writeUInt32LE(kind, 4);
  body.writeDoubleLE(time, 8);
  body.writeBigUInt64LE(BigInt(number), 16);
  return body;
}

/** Reads the head of a frame; undefined if its checksum is wrong, or its length impossible. */
export function readHead(bytes: Buffer): FrameHead | undefined {
  if (crc32(bytes.subarray(0, 12)) !== bytes.readUInt32LE(12)) return undefined;
  const length = bytes.readUInt32LE(0);
  if (length > LONGEST_BODY) return undefined;
  return { length, type: bytes.readUInt32LE(4), bodySum: bytes.readUInt32LE(8) };
}

export function isBody(bytes: Buffer, { bodySum }: FrameHead): boolean {
  return crc32(bytes) === bodySum;
}

export function trailer(indexAt: number): Buffer {
  const bytes = Buffer.alloc(TRAILER);
  bytes.writeBigUInt64LE(BigInt(indexAt), 0);
  END_MAGIC.copy(bytes, 8);
  return bytes;
}

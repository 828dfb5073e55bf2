import type { Block } from "../bulk/block.js";

/**
 * Private memory beside a ring, from which records are sent and into which they are received.
 *
 * The three views look at the same bytes. They are replaced together when the memory grows, so hold on to the
 * Scratch, never to one of its views. All numbers in it are little-endian.
 */
export class Scratch {
  // Only declared: a field that is first undefined and then assigned makes V8 forget its type, and each access
  // slower (5 ns of 20 to encode 32 bytes).
  declare buffer: Buffer;
  declare view: DataView;
  declare words: Int32Array;
  /** Bytes in the scratch. */
  declare length: number;
  /**
   * The blocks of the message that is being encoded, in the order in which they were met; or of the one that is being decoded, where
   * each that was found is replaced by undefined. See blocks.ts.
   */
  declare blocks: (Block | undefined)[];

  constructor(memory: ArrayBuffer) {
    this.blocks = [];
    this.buffer = Buffer.from(memory);
    this.view = new DataView(memory);
    this.words = new Int32Array(memory, 0, memory.byteLength >>> 2);
    this.length = memory.byteLength;
  }

  /** Looks at other memory from now on. */
  replace(memory: ArrayBuffer): void {
    this.buffer = Buffer.from(memory);
    this.view = new DataView(memory);
    this.words = new Int32Array(memory, 0, memory.byteLength >>> 2);
    this.length = memory.byteLength;
  }
}

/**
 * What `Codec.encode` returns when the message does not fit between `offset` and the end of the scratch, and it does not know how much it
 * takes. Where it knows, it returns the bytes needed, negative (-2 and less).
 */
export const NO_ROOM = -1;

/** What `Codec.encode` returns when the message does not fit, and takes `bytes`. */
export function noRoom(bytes: number): number {
  // -1 is NO_ROOM; who needs one byte gets two.
  return -Math.max(bytes, 2);
}

/**
 * Turns messages into bytes and back, in place: nothing is allocated on the way but the message itself.
 *
 * Two sides can talk if `name` and `fingerprint` agree; they are compared once, when the channel is made.
 */
export interface Codec<Send, Receive = Send> {
  /** Such as `json`; shown when two sides disagree. */
  readonly name: string;
  /** Equal on both sides if, and only if, each understands what the other sends. */
  readonly fingerprint: string;
  /** The schema in words, shown in the error when two sides disagree. */
  readonly schema?: string;
  /** An upper bound of the bytes that `encode` would write, where it is cheap to know. */
  maxBytes?(message: Send): number;
  /**
   * Whether `decode` does nothing with the bytes but copy them, so that it does not matter if they change meanwhile: then a long message
   * is decoded where the peer put it, in shared memory, without being copied to a private place first.
   */
  readonly opaque?: boolean;
  /**
   * Whether what `decode` returns looks at the bytes where they are. Then a long message stays where the peer put it, in shared memory,
   * until the next one is received; the peer could change it there.
   */
  readonly inPlace?: boolean;
  /**
   * Writes the message at `offset` and returns its length in bytes, or that there was no room: {@link NO_ROOM}, or, better, the
   * bytes needed as a negative number (-2 and less). Then what it wrote is ignored and it is called again with more room, until the
   * limit is reached. It may write anywhere from `offset` to `scratch.length`, and must not read there: the memory may be
   * shared already. Throws an `EncodeError` that names the field for a value that the codec can't carry.
   */
  encode(message: Send, scratch: Scratch, offset: number): number;
  /**
   * Reads the message of `bytes` bytes at `offset`. What it returns must not look into the scratch, which is
   * overwritten by the next message. Throws a `DecodeError` for bytes that are no message.
   */
  decode(scratch: Scratch, offset: number, bytes: number): Receive;
}

/** Empties a list that is filled again and again. `length = 0` would have V8 get memory for it anew each time. */
export function emptyList(list: unknown[]): void {
  while (list.length > 0) list.pop();
}

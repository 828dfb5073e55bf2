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

  constructor(memory: ArrayBuffer, at = 0, length = memory.byteLength) {
    this.buffer = Buffer.from(memory, at, length);
    this.view = new DataView(memory, at, length);
    this.words = new Int32Array(memory, at, length >>> 2);
    this.length = length;
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
 * The result of `Codec.encode` for a message that does not fit between `offset` and the end of the scratch, if the codec does not know how much it
 * takes. Where it knows, it returns the bytes needed, negative (-2 and less).
 */
export const NO_ROOM = -1;

/** The result of `Codec.encode` for a message that does not fit, and takes `bytes`. */
export function noRoom(bytes: number): number {
  // -1 is NO_ROOM, so a codec that needs one byte asks for two.
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
   *
   * `blocks` is empty, and belongs to this message, for which all calls get the same list: a codec that carries blocks adds each one
   * that it meets, and writes its position in the list in its place. A codec that wraps another one passes the list along.
   */
  encode(message: Send, scratch: Scratch, offset: number, blocks: Block[]): number;
  /**
   * Reads the message of `bytes` bytes at `offset`. What it returns must not look into the scratch, which is
   * overwritten by the next message. Throws a `DecodeError` for bytes that are no message.
   *
   * `blocks` holds the blocks that came with the message. The codec replaces each block that it puts into the message by `undefined`;
   * the library releases the rest.
   */
  decode(scratch: Scratch, offset: number, bytes: number, blocks: (Block | undefined)[]): Receive;
}

/** The list of a message that comes without blocks. */
export const NO_BLOCKS: (Block | undefined)[] = Object.freeze([]) as unknown as (Block | undefined)[];

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

  constructor(memory: ArrayBuffer) {
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

/** What `Codec.encode` returns when the message does not fit between `offset` and the end of the scratch. */
export const NO_ROOM = -1;

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
   * Writes the message at `offset` and returns its length in bytes, or {@link NO_ROOM}, in which case what it wrote
   * is ignored and it is called again with more room, until the lane's limit is reached.
   * Throws an `EncodeError` that names the field for a value that the codec can't carry.
   */
  encode(message: Send, scratch: Scratch, offset: number): number;
  /**
   * Reads the message of `bytes` bytes at `offset`. What it returns must not look into the scratch, which is
   * overwritten by the next message. Throws a `DecodeError` for bytes that are no message.
   */
  decode(scratch: Scratch, offset: number, bytes: number): Receive;
}

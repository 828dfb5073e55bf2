import type { Block } from "../bulk/block.js";

/** A message that was not sent yet and carries blocks, or lies in one. */
export interface Parcel {
  /**
   * The block that the message lies in. Undefined: the message stands at the place of the lane. A caller that
   * does not send the body must release it.
   */
  body: Block | undefined;
  /** The bytes of the message. */
  readonly bytes: number;
  /** The blocks that the message carries. */
  readonly blocks: readonly Block[];
}

/** The message behind a batch, which can't be a part of it: it must go alone, or can't be encoded. */
export type Rest<Send> =
  | { readonly message: Send; readonly encoded: number | Parcel | undefined }
  | { readonly error: unknown };

/** A message in private memory. */
export interface PrivateCopy {
  readonly bytes: Uint8Array;
  readonly blocks: readonly Block[];
}

/** The limits for the length of messages, in bytes as encoded. */
export interface MessageLimits {
  readonly maxMessageBytes: number;
  /** A longer message goes by a block. */
  readonly bulkThreshold: number;
}

/** Returns what the encoder returns for a message at the place: its length, or a parcel if it carries blocks. */
export function parcelOf(bytes: number, blocks: Block[]): number | Parcel {
  return blocks.length === 0 ? bytes : { body: undefined, bytes, blocks };
}

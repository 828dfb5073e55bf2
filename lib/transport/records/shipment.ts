import type { Block } from "../../bulk/block.js";
import type { Scratch } from "../../codec/codec.js";
import type { RecordCursor } from "./cursor.js";
import type { Handle } from "./handle-table.js";
import { IN_BLOCK } from "./record-layout.js";
import type { SendStatus } from "./send-status.js";

/*
 * Blocks that go along with one record, over either transport. `ship` makes handles of them, and the lane
 * writes the handles into the record. Then either all of the blocks are the peer's (`commit`) or none
 * (`abandon`).
 */

/** The blocks of one record. */
export interface Shipment {
  /** The handles that stand for the blocks in the record: the first `count` of these. */
  readonly handles: readonly Handle[];
  readonly count: number;
  /** Called when the record went out: the blocks are the peer's, and gone. */
  commit(): void;
  /** Called when the record did not go out: the blocks are unchanged. */
  abandon(): void;
}

/** The blocks that came with a record whose kind is not PLAIN. */
export interface Delivery {
  /** The block in which the message lies (IN_BLOCK); undefined if it lies in the record, at the cursor. */
  readonly body: Block | undefined;
  /** The bytes of the message; -1 if the record of a message in a block gives no length. */
  readonly bytes: number;
  /** The blocks that the message carries, in the order of their numbers. */
  readonly blocks: (Block | undefined)[];
}

/** The part of a connection that ships blocks. */
export interface Shipping {
  /**
   * Makes handles for the blocks, or returns why there are none now. There is one shipment at a time: the
   * next call reuses the object. `long`: the message lies in the first block. Throws a BlockError for a block
   * of another channel, and for one that stands there twice.
   */
  ship(blocks: readonly Block[], long: boolean): Shipment | SendStatus;
}

/** The bytes of the payload of a record whose message lies in a block: the message's length. */
export const LENGTH_BYTES = 8;

/** Writes the length of a message that lies in a block, as the payload that begins at `at`. */
export function writeLength({ view }: Scratch, at: number, bytes: number): void {
  view.setUint32(at, bytes % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(bytes / 2 ** 32), true);
}

/** Makes the delivery of the record at the cursor. Its payload has `payload` bytes, and these are its blocks. */
export function deliveryOf(
  { scratch: { view }, at, kind }: RecordCursor,
  payload: number,
  blocks: Block[],
): Delivery {
  if (kind !== IN_BLOCK) return { body: undefined, bytes: payload, blocks };
  const [body, ...rest] = blocks;
  const bytes =
    payload === LENGTH_BYTES ? view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true) : -1;
  return { body, bytes, blocks: rest };
}

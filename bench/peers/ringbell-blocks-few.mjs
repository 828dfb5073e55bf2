import { overBlocks } from "../lib/ringbell-blocks.mjs";

/**
 * As ringbell-blocks, but with little memory for blocks: the sender waits for those that come back instead of running ahead, so that
 * the same few are used again and again, while they are in the cache.
 */
export const peer = {
  name: "ringbell-blocks-few",
  title: "ringbell, blocks, copied into, maxBulkBytes: 4 MiB or three messages",
  file: import.meta.url,
  payloads: ["bytes"],
  minBytes: 4096,
};

const FEW_BYTES = 1 << 22;
const FEW = 3;
/** A block takes up to an eighth more than its bytes. */
const ROUNDED_UP = 9 / 8;

export const { serve, drive } = overBlocks(
  (block, message) => block.bytes.set(message),
  false,
  ({ bytes }) => ({ maxBulkBytes: Math.max(FEW_BYTES, Math.ceil(bytes * FEW * ROUNDED_UP)) }),
);

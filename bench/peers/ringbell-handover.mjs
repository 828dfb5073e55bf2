import { LEAST_BYTES } from "../lib/payload.mjs";
import { overBlocks } from "../lib/ringbell-blocks.mjs";

/**
 * A block whose bytes are there already, as if the sender had computed them in place: nothing is copied but the numbers at the beginning. An echo is the same block, there and
 * back; in a flood each one is allocated, handed over, read and released.
 */
export const peer = {
  name: "ringbell-handover",
  title: "ringbell, blocks, handed over without filling them",
  file: import.meta.url,
  payloads: ["bytes"],
  minBytes: 4096,
};

export const { serve, drive } = overBlocks(
  (block, message) => block.bytes.set(message.subarray(0, LEAST_BYTES)),
  true,
);

import { overBlocks } from "../lib/ringbell-blocks.mjs";

/** The sender copies its bytes into a block, the receiver looks at them there and releases it. The answer is a block of its own, copied into likewise. */
export const peer = {
  name: "ringbell-blocks",
  title: "ringbell, blocks, copied into",
  file: import.meta.url,
  payloads: ["bytes"],
  minBytes: 4096,
};

export const { serve, drive } = overBlocks((block, message) => block.bytes.set(message), false);

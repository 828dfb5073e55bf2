import { overBatches } from "../lib/ringbell-batches.mjs";

/** `sendMany`: messages that are ready together are encoded side by side and published once. */
export const peer = {
  name: "ringbell-batched",
  title: "ringbell, sendMany",
  file: import.meta.url,
  // A batch of one is a message.
  workloads: ["flood"],
  maxBytes: 16_384,
};

export const { serve, drive } = overBatches();

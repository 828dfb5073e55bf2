import { overBatches } from "../lib/ringbell-batches.mjs";

/** `sendMany`, and objects whose keys are sent once. */
export const peer = {
  name: "ringbell-packed-batched",
  title: "ringbell, packed(), sendMany",
  file: import.meta.url,
  payloads: ["object"],
  workloads: ["flood"],
};

export const { serve, drive } = overBatches(() => "packed");

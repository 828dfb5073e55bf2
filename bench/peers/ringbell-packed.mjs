import { overChannel } from "../lib/ringbell-peer.mjs";

/** Objects whose keys are sent once. */
export const peer = {
  name: "ringbell-packed",
  title: "ringbell, packed()",
  file: import.meta.url,
  payloads: ["object"],
};

export const { serve, drive } = overChannel({ codec: () => "packed" });

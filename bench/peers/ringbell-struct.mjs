import { overChannel } from "../lib/ringbell-peer.mjs";

/** Objects whose fields both sides know. */
export const peer = {
  name: "ringbell-struct",
  title: "ringbell, struct()",
  file: import.meta.url,
  payloads: ["object"],
};

export const { serve, drive } = overChannel({ codec: () => "struct" });

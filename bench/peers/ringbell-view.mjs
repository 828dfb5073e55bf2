import { overChannel } from "../lib/ringbell-peer.mjs";

/** The receiver looks at the bytes where they lie, and has no copy of its own: enough for who is done with them at once. */
export const peer = {
  name: "ringbell-view",
  title: "ringbell, bytes({ copy: false })",
  file: import.meta.url,
  payloads: ["bytes"],
};

export const { serve, drive } = overChannel({ codec: () => "view" });

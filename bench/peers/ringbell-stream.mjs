import { overChannel } from "../lib/ringbell-peer.mjs";

/** Without shared memory: what a channel is where there is none. */
export const peer = { name: "ringbell-stream", title: "ringbell, stream transport", file: import.meta.url };

export const { serve, drive } = overChannel({ options: { transport: "stream" } });

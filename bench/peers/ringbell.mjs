import { overChannel } from "../lib/ringbell-peer.mjs";

/** Event loops, and the options as they are: bytes by `bytes()`, objects by `json()`. */
export const peer = { name: "ringbell", title: "ringbell", file: import.meta.url };

export const { serve, drive } = overChannel();

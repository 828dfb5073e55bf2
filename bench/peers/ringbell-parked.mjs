import { overChannel } from "../lib/ringbell-peer.mjs";

/** Never polls: sleeps whenever there is nothing to read. */
export const peer = { name: "ringbell-parked", title: "ringbell, spin: 0", file: import.meta.url };

export const { serve, drive } = overChannel({ options: { spin: 0 } });

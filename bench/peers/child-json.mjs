import { forked } from "../lib/forked.mjs";

/** The channel of `child_process.fork` as it is by default: everything is JSON, and bytes a base64 string in it. */
export const peer = { name: "child-json", title: "child_process, JSON", spawns: true, file: import.meta.url };

export const { serve, drive } = forked("json");

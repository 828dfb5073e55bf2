import { forked } from "../lib/forked.mjs";

/** The channel of `child_process.fork` with `serialization: "advanced"`: the structured clone of V8, which carries bytes as they are. */
export const peer = {
  name: "child-advanced",
  title: "child_process, advanced",
  spawns: true,
  file: import.meta.url,
};

export const { serve, drive } = forked("advanced");

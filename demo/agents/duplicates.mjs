import { hash } from "node:crypto";
import { struct, u32, u53 } from "../../dist/index.js";
import { resultOf } from "../messages.mjs";

/** Bytes of the shortest and the longest chunk (but for the last of a file); on average they have about 1 KiB more than the shortest. */
const SHORTEST = 256;
const LONGEST = 8192;
/** A boundary is where the upper ten bits of the rolling hash are zero: once in 1024 bytes. */
const BOUNDARY_SHIFT = 22;

/** A random number for each value of a byte; the same in every process. */
const GEAR = (() => {
  const gear = new Uint32Array(256);
  let state = 0x9e3779b9;
  for (let i = 0; i < gear.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    gear[i] = state;
  }
  return gear;
})();

/**
 * Cuts where the content says so, not at fixed offsets: text that was moved within a file, or copied into another, is
 * cut at the same places again.
 *
 * @param {Buffer} content
 */
function* chunks(content) {
  let from = 0;
  let rolling = 0;
  for (let at = 0; at < content.length; at++) {
    rolling = ((rolling << 1) + GEAR[content[at]]) | 0;
    const length = at + 1 - from;
    if (length < LONGEST && (length < SHORTEST || rolling >>> BOUNDARY_SHIFT !== 0)) continue;
    yield content.subarray(from, at + 1);
    from = at + 1;
  }
  if (from < content.length) yield content.subarray(from);
}

/** Which chunks of a file were seen in an earlier one, or earlier in the same. */
export const duplicates = {
  name: "duplicates",
  // An agent remembers what it has seen. One that takes over starts with nothing, so it is given all tasks again.
  stateful: true,
  result: resultOf(struct({ chunks: u32, repeated: u32, repeatedBytes: u53 })),

  start() {
    /**
     * Each chunk belongs to the task that brought it first, for ever: so the same task, done again, finds its own
     * chunks and gives the same answer.
     *
     * @type {Map<string, number>}
     */
    const owners = new Map();

    return ({ id }, content) => {
      const here = new Set();
      const value = { chunks: 0, repeated: 0, repeatedBytes: 0 };
      for (const chunk of chunks(content)) {
        const print = hash("sha256", chunk, "base64");
        const owner = owners.get(print);
        if (owner === undefined) owners.set(print, id);
        value.chunks++;
        if (here.has(print) || (owner !== undefined && owner !== id)) {
          value.repeated++;
          value.repeatedBytes += chunk.length;
        }
        here.add(print);
      }
      return value;
    };
  },

  summary(values) {
    const sum = (key) => values.reduce((total, value) => total + value[key], 0);
    const share = (100 * sum("repeated")) / Math.max(1, sum("chunks"));
    return `${sum("chunks").toLocaleString("en-US")} chunks, ${share.toFixed(1)} % seen before`;
  },
};

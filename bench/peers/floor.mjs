import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { buildFloor } from "../floors/build.mjs";
import { calibrate, WARM_SECONDS } from "../lib/calibrate.mjs";
import { Unavailable } from "../lib/contender.mjs";
import { MIB } from "../lib/memory.mjs";

const run = promisify(execFile);

/**
 * A C++ program of two processes under floors/, run anew for every round (it warms up by itself).
 * @param {string} name
 * @param {string} title
 * @param {string} program the file's name
 * @param {"roundtrip" | "stream"} mode
 * @param {object} [more]
 * @param {number} [more.part]  How long a round is, and the warm-up, as a part of the usual.
 * @param {number} [more.first]  Messages of the first attempt to find the size of a round.
 * @param {number} [more.bytes]  Of a message, where that matters.
 * @returns {import("../lib/contender.mjs").Contender}
 */
function floor(name, title, program, mode, { part = 1, first, bytes } = {}) {
  return {
    name,
    title,
    async start({ cores, seconds }) {
      const built = await buildFloor(program);
      if ("reason" in built) throw new Unavailable(built.reason);
      const [driver, peer] = cores ?? [-1, -1];
      let count = 0;
      const round = async (/** @type {number} */ messages) => {
        const { stdout } = await run(built.program, [mode, `${messages}`, `${driver}`, `${peer}`]);
        const figures = JSON.parse(stdout);
        return bytes === undefined ? figures : { ...figures, bytesPerSecond: figures.perSecond * bytes };
      };
      return {
        async warmUp() {
          count = await calibrate(round, seconds * part, { first, warm: WARM_SECONDS * part });
        },
        round: () => round(count),
        constants: () => ({ count }),
        async stop() {},
      };
    },
  };
}

export const flag = floor("flag", "C++: a flag in one cache line each way", "flag", "roundtrip");
export const boost = floor("boost", "C++: boost::lockfree::spsc_queue, 8 B", "spsc_queue", "roundtrip");
export const boostStream = floor(
  "boost-stream",
  "C++: boost::lockfree::spsc_queue, 8 B",
  "spsc_queue",
  "stream",
);
export const ring = floor("ring", "C++: this library's ring without Node", "ring", "roundtrip");
export const ringStream = floor("ring-stream", "C++: this library's ring without Node", "ring", "stream");
export const fillFloor = floor("fill-floor", "C++: filled here, read there, and a flag", "fill", "stream", {
  part: 0.4,
  first: 4,
  bytes: 64 * MIB,
});

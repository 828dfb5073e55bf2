import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { buildFloor } from "../floors/build.mjs";
import { calibrate, WARM_SECONDS } from "../lib/calibrate.mjs";
import { Unavailable } from "../lib/contender.mjs";
import { MIB } from "../lib/memory.mjs";

const run = promisify(execFile);

/**
 * A C++ program under floors/, mostly of two processes, run anew for every round (it warms up by itself).
 * @param {object} description
 * @param {string} description.name
 * @param {string} description.peer
 * @param {string} description.title
 * @param {string} description.program the file's name
 * @param {string} description.mode
 * @param {Record<string, string | number>} description.facts
 * @param {boolean} [description.thorough]
 * @param {number} [description.part]  How long a round is, and the warm-up, as a part of the usual.
 * @param {number} [description.first]  Messages of the first attempt to find the size of a round.
 * @param {number} [description.bytes]  Of a message, where that matters; the program is told.
 * @param {boolean} [description.together]  Both processes on the first core. Default: on one each.
 * @param {boolean} [description.needsCores]  Says nothing unless the processes are pinned.
 * @returns {import("../lib/contender.mjs").Contender}
 */
export function floor({ part = 1, first, together = false, needsCores = false, ...description }) {
  const { name, peer, title, program, mode, facts, thorough = false, bytes } = description;
  return {
    name,
    peer,
    title,
    facts,
    compiles: true,
    thorough,
    async start({ cores, seconds }) {
      const built = await buildFloor(program);
      if ("reason" in built) throw new Unavailable(built.reason);
      if (needsCores && cores === undefined)
        throw new Unavailable("needs two cores, and processes pinned to them");
      const [driver, other] = cores ?? [-1, -1];
      const places = [driver, together ? driver : other, ...(bytes === undefined ? [] : [bytes])];
      let count = 0;
      const round = async (/** @type {number} */ messages) => {
        const { stdout } = await run(built.program, [mode, messages, ...places].map(String));
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

const ECHO = { kind: "echo", payload: "bytes" };
const FLOOD = { kind: "flood", payload: "bytes" };

export const flag = floor({
  name: "flag",
  peer: "flag",
  title: "C++: a flag in one cache line each way",
  program: "flag",
  mode: "roundtrip",
  facts: { ...ECHO, bytes: 8 },
});

/** @type {Pick<Parameters<typeof floor>[0], "peer" | "title" | "program">} */
const BOOST = { peer: "boost", title: "C++: boost::lockfree::spsc_queue, 8 B", program: "spsc_queue" };
export const boost = floor({ ...BOOST, name: "boost", mode: "roundtrip", facts: { ...ECHO, bytes: 8 } });
export const boostStream = floor({
  ...BOOST,
  name: "boost-stream",
  mode: "stream",
  facts: { ...FLOOD, bytes: 8 },
});

/** @type {Pick<Parameters<typeof floor>[0], "peer" | "title" | "program">} */
const RING = { peer: "ring", title: "C++: this library's ring without Node", program: "ring" };
export const ring = floor({ ...RING, name: "ring", mode: "roundtrip", facts: { ...ECHO, bytes: 32 } });
export const ringStream = floor({
  ...RING,
  name: "ring-stream",
  mode: "stream",
  facts: { ...FLOOD, bytes: 32 },
});

export const fillFloor = floor({
  name: "fill-floor",
  peer: "flag",
  title: "C++: filled here, read there, and a flag",
  program: "fill",
  mode: "stream",
  facts: { ...FLOOD, bytes: 64 * MIB },
  part: 0.4,
  first: 4,
  bytes: 64 * MIB,
});

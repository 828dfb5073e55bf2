import { calibrate } from "./calibrate.mjs";
import { Unavailable } from "./contender.mjs";
import { placeOf, startLinked } from "./linked.mjs";
import { descriptorLimit } from "./proc.mjs";

const ENDS = new URL("./channels-ends.mjs", import.meta.url).href;
/** How long each of the three parts of a round is, as a part of the usual. */
const PART = 0.1;
/** Descriptors that a link may take in a process, and those that Node has anyway. */
const DESCRIPTORS = 8;
const BESIDES = 64;

/**
 * Many links of one peer between two processes, each of which holds all of its ends in one event loop.
 * @param {import("./peer.mjs").Peer & { file: string }} peer
 * @param {number} channels
 * @returns {import("./contender.mjs").Contender}
 */
export function channelsOf(peer, channels) {
  const work = {
    payload: /** @type {const} */ ("bytes"),
    bytes: 32,
    workload: /** @type {const} */ ("echo"),
  };
  return {
    name: `${peer.name}:channels-${channels}`,
    peer: peer.name,
    title: `${peer.title}, ${channels.toLocaleString("en-US")}`,
    facts: { kind: "channels", payload: work.payload, bytes: work.bytes, channels },
    packages: peer.packages ?? [],
    async start({ cores, seconds, directory }) {
      requireDescriptors(channels * DESCRIPTORS + BESIDES);
      const place = { ...placeOf(peer, work, directory, cores), channels };
      const { driver, stop } = await startLinked(peer, place, cores, ENDS);
      const long = seconds * PART;
      /** @type {Record<string, number>} */
      const counts = {};
      const ask = (/** @type {string} */ way, /** @type {number} */ count) => driver.ask(way, count);
      return {
        async warmUp() {
          for (const way of ["one", "turns", "all"])
            counts[way] = await calibrate((count) => ask(way, count), long, { warm: long });
        },
        async round() {
          const one = await ask("one", counts.one ?? 1);
          const turns = await ask("turns", counts.turns ?? 1);
          const all = await ask("all", counts.all ?? 1);
          return {
            ns: one.ns,
            p50: one.p50,
            p99: one.p99,
            samples: one.samples,
            turnsNs: turns.ns,
            turnsP50: turns.p50,
            turnsP99: turns.p99,
            turnsSamples: turns.samples,
            perSecond: all.perSecond,
            seconds: one.seconds + turns.seconds + all.seconds,
          };
        },
        constants: () => ({ channels, ...counts }),
        stop,
      };
    },
  };
}

/** @param {number} needed */
function requireDescriptors(needed) {
  const limit = descriptorLimit();
  if (limit !== undefined && limit < needed)
    throw new Unavailable(`needs up to ${needed} open files, and ${limit} are allowed: ulimit -Hn ${needed}`);
}

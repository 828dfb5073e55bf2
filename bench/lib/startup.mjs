import { calibrate } from "./calibrate.mjs";
import { Unavailable } from "./contender.mjs";
import { placeOf, startLinked } from "./linked.mjs";

/** How long a round is, as a part of the usual. */
const PART = 0.3;
/** Links of a round at least: a process takes long to start. */
const LEAST = 4;

/**
 * From nothing to the first reply, one link after the other; where a process or thread that answers belongs to the link, it is started for each. One link was made
 * and used before: what a mechanism loads once is loaded.
 * @param {import("./peer.mjs").Peer & { file: string }} peer
 * @returns {import("./contender.mjs").Contender}
 */
export function startUp(peer) {
  const work = {
    payload: /** @type {const} */ ("bytes"),
    bytes: 32,
    workload: /** @type {const} */ ("echo"),
  };
  return {
    name: `${peer.name}:start-up`,
    peer: peer.name,
    title: peer.title,
    facts: { kind: "start-up", payload: work.payload, bytes: work.bytes },
    packages: peer.packages ?? [],
    async start({ cores, seconds, directory }) {
      if (peer.one && !peer.spawns)
        throw new Unavailable("more than one link of it is not measured by this benchmark");
      const { driver, stop } = await startLinked(peer, placeOf(peer, work, directory, cores), cores);
      const round = (/** @type {number} */ links) => driver.ask("startUp", links);
      const long = seconds * PART;
      let count = 0;
      return {
        async warmUp() {
          count = Math.max(LEAST, await calibrate(round, long, { first: 1, warm: long / 2 }));
        },
        round: () => round(count),
        constants: () => ({ count }),
        stop,
      };
    },
  };
}

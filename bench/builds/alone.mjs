import { calibrate } from "../lib/calibrate.mjs";
import { End } from "../lib/end.mjs";
import { accepted, connecting, expectNumber, listening } from "../lib/ringbell.mjs";

/** How long the process warms up at least, s. */
const WARM_SECONDS = 0.15;

/**
 * Both ends in one process: what `trySend` and `tryReceive` take of a core, without the time that a cache line travels. It needs one core
 * only, so that other programs disturb it less than a round trip.
 * @param {{ name: string, title: string, options: Record<string, unknown> }} description
 * @returns {import("../lib/contender.mjs").Contender}
 */
export function alone({ name, title, options }) {
  return {
    name,
    title,
    async start({ cores, directory, seconds }) {
      const told = { ...options, endpoint: name, directory };
      const end = await End.start(import.meta.url, "work", told, cores && [cores[0]]);
      const round = (/** @type {number} */ size) => end.ask("round", size);
      let count = 0;
      return {
        async warmUp() {
          count = await calibrate(round, seconds, { warm: WARM_SECONDS });
        },
        round: () => round(count),
        constants: () => ({ count }),
        stop: () => end.stop(),
      };
    },
  };
}

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function work(options) {
  const { server } = await listening(options);
  const peer = accepted(server);
  const { channel, messages } = await connecting(options);
  const other = await peer;
  return {
    round(/** @type {number} */ count) {
      const begin = performance.now();
      for (let i = 0; i < count; i++) {
        channel.trySend(messages.make(i));
        expectNumber(messages.number(other.tryReceive()), i);
      }
      const seconds = (performance.now() - begin) / 1e3;
      return { ns: (seconds * 1e9) / count, seconds };
    },
    async close() {
      await channel.close();
      await server.close();
    },
  };
}

import { calibrate } from "./calibrate.mjs";
import { End } from "./end.mjs";

/**
 * A contender of a server and one or several processes beside it, all exported by `file` as `serve` and `drive`. In a round, all are asked at
 * once, by `round(count)`; before, the server by `arm(count)`, and then the others by `arm(count, what the server said)`. Of figures that several drivers return, the one of the slowest counts.
 *
 * @param {object} description
 * @param {string} description.name
 * @param {string} [description.peer]
 * @param {string} description.title
 * @param {string} description.file URL of the contender's file
 * @param {Record<string, unknown>} [description.options]
 * @param {Record<string, string | number>} [description.facts]
 * @param {number} [description.drivers]  Default: 1, on a core of its own. Several share all cores with the server.
 * @param {number} [description.count]  What a round is asked for. Default: as much as takes the time of a round.
 * @param {number} [description.patience]
 * @returns {import("./contender.mjs").Contender}
 */
export function group({
  name,
  peer = name,
  title,
  file,
  options = {},
  facts,
  drivers = 1,
  count: fixed,
  patience,
}) {
  return {
    name,
    peer,
    title,
    ...(facts === undefined ? {} : { facts }),
    ...(patience === undefined ? {} : { patience }),
    async start({ cores, seconds, directory }) {
      const own = drivers === 1 ? cores : undefined;
      const given = { ...options, endpoint: name, directory };
      const server = await End.start(file, "serve", given, own && [own[1]]);
      /** @type {End[]} */
      const others = [];
      const stop = async () => {
        for (const other of others) await other.close();
        await server.close();
      };
      try {
        for (let i = 0; i < drivers; i++) {
          others.push(await End.start(file, "drive", { ...given, number: i }, own && [own[0]]));
        }
      } catch (error) {
        await stop();
        throw error;
      }
      let count = fixed ?? 0;
      const round = async (/** @type {number} */ size) => {
        const armed = await server.ask("arm", size);
        await Promise.all(others.map((other) => other.ask("arm", size, armed)));
        const driven = Promise.all(others.map((other) => other.ask("round", size, armed)));
        const served = await server.ask("round", size);
        const figures = await driven;
        const slowest = figures.sort((a, b) => (b.seconds ?? 0) - (a.seconds ?? 0))[0];
        return { ...served, ...slowest };
      };
      return {
        async warmUp() {
          if (fixed === undefined) count = await calibrate(round, seconds);
          else await round(Math.min(fixed, 200));
        },
        round: () => round(count),
        constants: () => ({ count }),
        stop,
      };
    },
  };
}

import { calibrate, WARM_SECONDS } from "./calibrate.mjs";
import { End } from "./end.mjs";

/**
 * The two processes of a contender: `serve` is started first and `drive` when it is ready.
 * @param {string} file URL of the contender's file
 * @param {object} options for both
 * @param {[number, number] | undefined} cores
 * @param {{ serve?: import("./end.mjs").Launch, drive?: import("./end.mjs").Launch }} [launch]
 */
export async function startPair(file, options, cores, launch = {}) {
  const server = await End.start(file, "serve", options, cores && [cores[1]], launch.serve);
  const driver = await End.start(file, "drive", options, cores && [cores[0]], launch.drive).catch(
    async (error) => {
      await server.stop();
      throw error;
    },
  );
  return {
    server,
    driver,
    async stop() {
      await driver.close();
      await server.close();
    },
  };
}

/**
 * A contender of two processes: `serve` and `drive`, both exported by `file`, both
 * given `options`, a `directory` and the name of an `endpoint` to meet at. Each returns an object with `round(count)`, which
 * both are asked for at once, and `close()`; the figures of a round are those that either of them returns. Where the server
 * must be ready before the first message comes, it has `arm(count)`, too.
 *
 * @param {object} description
 * @param {string} description.name
 * @param {string} [description.peer]  What `--peers` calls it. Default: its name.
 * @param {string} description.title
 * @param {string} description.file URL of the contender's file
 * @param {Record<string, unknown>} [description.options]
 * @param {Record<string, string | number>} [description.facts]
 * @param {number} [description.part]  How long a round is, and the warm-up, as a part of the usual.
 * @param {number} [description.warm]  How long the warm-up goes on at least, s. Default: the usual.
 * @param {number} [description.first]  Messages of the first attempt to find the size of a round.
 * @param {{ first?: number, fewest?: number, untimed?: number }} [description.counts]  The same with more, for `calibrate`.
 * @returns {import("./contender.mjs").Contender}
 */
export function pair({ name, peer, title, file, options = {}, facts, part = 1, ...more }) {
  const { warm = WARM_SECONDS * part, first, counts = { first } } = more;
  return {
    name,
    ...(peer === undefined ? {} : { peer }),
    title,
    ...(facts === undefined ? {} : { facts }),
    async start({ cores, seconds, directory }) {
      const { server, driver, stop } = await startPair(
        file,
        { ...options, endpoint: name, directory },
        cores,
      );
      let count = 0;
      const round = async (/** @type {number} */ messages) => {
        await server.ask("arm", messages);
        const [served, driven] = await Promise.all([
          server.ask("round", messages),
          driver.ask("round", messages),
        ]);
        return { ...served, ...driven };
      };
      return {
        async warmUp() {
          count = await calibrate(round, seconds * part, { ...counts, warm });
        },
        round: () => round(count),
        constants: () => ({ count }),
        stop,
      };
    },
  };
}

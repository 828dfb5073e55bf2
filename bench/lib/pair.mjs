import { calibrate } from "./calibrate.mjs";
import { End } from "./end.mjs";

/**
 * A contender of two processes: `serve` is started first and `drive` when it is ready, both exported by `file`, both
 * given `options`, a `directory` and the name of an `endpoint` to meet at. Each returns an object with `round(count)`, which
 * both are asked for at once, and `close()`; the figures of a round are those that either of them returns. Where the server
 * must be ready before the first message comes, it has `arm(count)`, too.
 *
 * @param {object} description
 * @param {string} description.name
 * @param {string} description.title
 * @param {string} description.file URL of the contender's file
 * @param {Record<string, unknown>} [description.options]
 * @returns {import("./contender.mjs").Contender}
 */
export function pair({ name, title, file, options = {} }) {
  return {
    name,
    title,
    async start({ cores, seconds, directory }) {
      const common = { ...options, endpoint: name, directory };
      const server = await End.start(file, "serve", common, cores && [cores[1]]);
      const driver = await End.start(file, "drive", common, cores && [cores[0]]).catch(async (error) => {
        await server.stop();
        throw error;
      });
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
          count = await calibrate(round, seconds);
        },
        round: () => round(count),
        constants: () => ({ count }),
        async stop() {
          await driver.close();
          await server.close();
        },
      };
    },
  };
}

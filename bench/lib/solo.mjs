import { calibrate, WARM_SECONDS } from "./calibrate.mjs";
import { End } from "./end.mjs";

/**
 * A contender of one process: `work`, exported by `file`, gets the options and returns an object with `round(count)`.
 *
 * @param {object} description
 * @param {string} description.name
 * @param {string} [description.peer]  What `--peers` calls it. Default: its name.
 * @param {string} description.title
 * @param {string} description.file URL of the contender's file
 * @param {Record<string, unknown>} [description.options]
 * @param {number} [description.part]  How long a round is, and the warm-up, as a part of the usual.
 * @param {number} [description.first]  The size of the first attempt to find that of a round.
 * @returns {import("./contender.mjs").Contender}
 */
export function solo({ name, peer, title, file, options = {}, part = 1, first }) {
  return {
    name,
    ...(peer === undefined ? {} : { peer }),
    title,
    async start({ cores, seconds }) {
      const end = await End.start(file, "work", options, cores && [cores[0]]);
      let count = 0;
      const round = (/** @type {number} */ size) => end.ask("round", size);
      return {
        async warmUp() {
          count = await calibrate(round, seconds * part, { first, warm: WARM_SECONDS * part });
        },
        round: () => round(count),
        constants: () => ({ count }),
        stop: () => end.stop(),
      };
    },
  };
}

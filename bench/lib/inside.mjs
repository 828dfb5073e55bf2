import { End } from "./end.mjs";
import { requirePackages } from "./linked.mjs";

/** How long a round is, as a part of the usual: there are many contenders, and the figures are medians of many calls. */
const PART = 0.08;
/** How long it warms up, s: V8 takes a good part of it to compile what is measured. */
const WARM_SECONDS = 0.2;

/**
 * A contender inside one process, pinned to a core, with nothing else in it: what a function does with other messages
 * changes what V8 makes of it. `work`, exported by `file`, gets the options and a `directory`, and returns an object with `round(seconds)`.
 * @param {object} description
 * @param {string} description.name
 * @param {string} description.peer
 * @param {string} description.title
 * @param {string} description.file URL of the contender's file
 * @param {Record<string, unknown>} description.options
 * @param {Record<string, string | number>} description.facts
 * @param {readonly string[]} [description.packages]  npm packages that it needs, beside tinybench.
 * @param {readonly string[]} [description.flags]  Of Node.
 * @param {boolean} [description.thorough]
 * @returns {import("./contender.mjs").Contender}
 */
export function inside({ name, peer, title, file, options, facts, flags = [], thorough = false, ...more }) {
  const packages = ["tinybench", ...(more.packages ?? [])];
  return {
    name,
    peer,
    title,
    facts,
    packages,
    thorough,
    async start({ cores, seconds, directory }) {
      requirePackages({ packages });
      const told = { ...options, directory };
      const end = await End.start(file, "work", told, cores && [cores[0]], { flags });
      return {
        async warmUp() {
          await end.ask("round", WARM_SECONDS);
        },
        round: () => end.ask("round", seconds * PART),
        stop: () => end.close(),
      };
    },
  };
}

import { Unavailable } from "../lib/contender.mjs";
import { foreignCpu } from "./foreign.mjs";
import { compared } from "./statistics.mjs";

/** How often the processes of a row start at most: no start is like another, but some rounds are worth one. */
export const STARTS = 8;

/**
 * @typedef {"old" | "new"} Side
 * @typedef {{ readonly old: Pick<import("./build.mjs").Build, "library">, readonly new: Pick<import("./build.mjs").Build, "library"> }} Builds
 *
 * @typedef {object} Outcome  What came of a row.
 * @property {string} name
 * @property {string} title
 * @property {string} figure
 * @property {import("./statistics.mjs").Pair[][]} starts  The rounds by each start of the processes.
 * @property {import("./statistics.mjs").Comparison | null} comparison  Null where it could not be measured.
 * @property {number | null} foreign  What other programs used of the two cores meanwhile, as a part. Null where that is not known.
 * @property {"measured" | "unavailable" | "failed"} status
 * @property {string} [reason]  Why there is no comparison.
 */

/**
 * Measures a row with both builds in turns. A row that fails says why; it is for the caller to go on with others.
 * @param {import("./rows.mjs").Row} row
 * @param {Builds} builds
 * @param {import("../lib/contender.mjs").Setting} setting
 * @param {(step: string) => void} [progress]  Is told what comes next.
 * @returns {Promise<Outcome>}
 */
export async function measure(row, builds, setting, progress = () => {}) {
  const { name, title, figure } = row;
  /** @type {import("./statistics.mjs").Pair[][]} */
  const starts = [];
  const foreign = foreignCpu(setting.cores);
  try {
    for (let left = setting.rounds; left > 0; ) {
      progress(`${name}, ${left} rounds to go`);
      const number = starts.length;
      const rounds = Math.ceil(left / Math.max(1, STARTS - number));
      starts.push(await oneStart({ row, builds, setting, number }, rounds));
      left -= rounds;
    }
  } catch (error) {
    const status = error instanceof Unavailable ? "unavailable" : "failed";
    const reason = error instanceof Error ? error.message : String(error);
    return { name, title, figure, starts, comparison: null, foreign: foreign(), status, reason };
  }
  return {
    name,
    title,
    figure,
    starts,
    comparison: compared(starts),
    foreign: foreign(),
    status: "measured",
  };
}

/**
 * Starts the processes of both builds, warms them up, measures some rounds, and ends them.
 * @param {object} start
 * @param {import("./rows.mjs").Row} start.row
 * @param {Builds} start.builds
 * @param {import("../lib/contender.mjs").Setting} start.setting
 * @param {number} start.number  From 0. The order changes with each start, and with each round, so that no build is always the first.
 * @param {number} rounds
 */
async function oneStart({ row, builds, setting, number }, rounds) {
  /** @type {Side[]} */
  const order = number % 2 === 0 ? ["old", "new"] : ["new", "old"];
  /** @type {Map<Side, import("../lib/contender.mjs").Running>} */
  const running = new Map();
  const ask = (/** @type {Side} */ side) =>
    /** @type {import("../lib/contender.mjs").Running} */ (running.get(side));
  try {
    for (const side of order) {
      const contender = row.contender(`${row.name}-${side}-${number}`, builds[side].library);
      running.set(side, await contender.start(setting));
    }
    for (const side of order) await ask(side).warmUp();
    const pairs = [];
    for (let round = 0; round < rounds; round++) {
      const pair = { old: 0, new: 0 };
      for (const side of order) pair[side] = figureOf(await ask(side).round(), row.figure);
      pairs.push(pair);
      order.reverse();
    }
    return pairs;
  } finally {
    for (const each of running.values()) await each.stop();
  }
}

/** @param {import("../lib/contender.mjs").Figures} figures @param {string} name */
function figureOf(figures, name) {
  const value = figures[name];
  if (value === undefined || !(value > 0)) throw new Error(`a round measured ${value} as ${name}`);
  return value;
}

import { betterOf } from "./better.mjs";
import { loadWarning } from "./load.mjs";
import { medianDeviation } from "./stats.mjs";

/**
 * A figure that two records have.
 *
 * @typedef {object} Change
 * @property {string} suite
 * @property {string} name  Of the contender, or the verdict.
 * @property {string} figure
 * @property {number} before
 * @property {number} after
 * @property {number} change  How much more, as a part of what was: 0.1 is 10 % more.
 * @property {number | null} spread  What lies within is no change: twice the median deviations of the rounds of both, added, so that a
 *   single outlier hides nothing; of a verdict, those of the farthest rounds. Null where it is unknown: a single round has none.
 * @property {"slower" | "faster" | "same" | "unknown"} mark  Slower is worse, whatever the figure counts.
 */

/**
 * Median deviations that a median of rounds is taken to lie within. If rounds were scattered normally around the same value, about one figure in
 * fifty would lie beyond by chance.
 */
const DEVIATIONS = 2;

/** The name under which verdicts stand beside the suites. */
export const VERDICTS = "verdicts";

/**
 * @param {import("./record.mjs").Record} before
 * @param {import("./record.mjs").Record} after
 * @returns {Change[]}
 */
export function changes(before, after) {
  return [...suiteChanges(before, after), ...verdictChanges(before, after)];
}

/** @param {import("./record.mjs").Record} before @param {import("./record.mjs").Record} after */
function suiteChanges(before, after) {
  return after.suites.flatMap((suite) => {
    const old = before.suites.find(({ name }) => name === suite.name);
    return suite.results.flatMap((result) => {
      const was = old?.results.find(({ name }) => name === result.name);
      return suite.compared.flatMap((figure) => {
        const [from, to] = [was?.medians[figure], result.medians[figure]];
        if (was === undefined || from === undefined || to === undefined) return [];
        const spread = sum(deviation(was, figure), deviation(result, figure));
        return [change(suite.name, result.name, figure, from, to, spread, betterOf(figure))];
      });
    });
  });
}

/** @param {import("./run.mjs").Result} result @param {string} figure */
function deviation({ rounds }, figure) {
  const values = rounds.map((round) => round[figure]).filter((value) => value !== undefined);
  const part = medianDeviation(values);
  return part === null ? null : DEVIATIONS * part;
}

/** Most of them are ratios within a run: they say something even where the machines differ. */
function verdictChanges(
  /** @type {import("./record.mjs").Record} */ before,
  /** @type {import("./record.mjs").Record} */ after,
) {
  return after.verdicts.flatMap(({ name, value, spread, better }) => {
    const was = before.verdicts.find((verdict) => verdict.name === name);
    if (was?.value == null || value === null) return [];
    return [change(VERDICTS, name, "value", was.value, value, sum(was.spread, spread), better)];
  });
}

/** @param {number | null | undefined} one @param {number | null | undefined} other */
function sum(one, other) {
  return one == null || other == null ? null : one + other;
}

/**
 * @param {string} suite
 * @param {string} name
 * @param {string} figure
 * @param {number} before
 * @param {number} after
 * @param {number | null} spread
 * @param {"lower" | "higher"} better
 * @returns {Change}
 */
function change(suite, name, figure, before, after, spread, better) {
  const part = before === after ? 0 : (after - before) / Math.abs(before);
  return {
    ...{ suite, name, figure, before, after, change: part, spread },
    mark: mark(before, after, spread, better),
  };
}

/** A change that is shown as 0.0 % is none, also where no round differs from another. */
const LEAST = 0.0005;

/**
 * @param {number} before
 * @param {number} after
 * @param {number | null} spread
 * @param {"lower" | "higher"} better
 * @returns {Change["mark"]}
 */
function mark(before, after, spread, better) {
  if (before === after) return "same";
  if (spread === null) return "unknown";
  // The same for twice as much as for half of it: a fall by more than 100 % does not exist.
  const apart = Math.max(after / before, before / after) - 1;
  if (apart <= Math.max(spread, LEAST)) return "same";
  return after > before === (better === "lower") ? "slower" : "faster";
}

/**
 * What differs between the runs so that their figures do not compare, in words.
 * @param {import("./record.mjs").Record} before
 * @param {import("./record.mjs").Record} after
 * @returns {string[]}
 */
export function differences(before, after) {
  const pairs = [
    ...["processor", "cores", "memoryBytes", "kernel", "architecture", "node", "governor", "virtual"].map(
      (key) => [key, Reflect.get(before.machine, key), Reflect.get(after.machine, key)],
    ),
    ["pinned to", before.pinnedTo?.join(",") ?? null, after.pinnedTo?.join(",") ?? null],
    ["quick", before.quick, after.quick],
    ...packagesOf(before, after),
    ...["old", "new"].map((which, i) => {
      const { suites } = i === 0 ? before : after;
      const disturbed = suites.filter(
        ({ foreignLoad }) => loadWarning(foreignLoad ?? undefined) !== undefined,
      );
      return [`disturbed by other programs, ${which}`, "", disturbed.map(({ name }) => name).join(", ")];
    }),
  ];
  return pairs
    .filter(([, was, is]) => was !== is)
    .map(([what, was, is]) => (was === "" ? `${what}: ${is}` : `${what}: ${was} → ${is}`));
}

/** Of those that both used. @param {import("./record.mjs").Record} before @param {import("./record.mjs").Record} after */
function packagesOf(before, after) {
  return Object.keys(before.packages)
    .filter((name) => name in after.packages)
    .map((name) => [name, before.packages[name], after.packages[name]]);
}

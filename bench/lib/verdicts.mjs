import { shownSpread } from "./spread.mjs";

/**
 * @typedef {object} Verdict
 * @property {string} name
 * @property {number | null} value  Null where it could not be measured.
 * @property {number | null} spread  How far the value of the farthest round lies from it, as a part of it. Null where that is unknown.
 * @property {string} [shownSpread]  As it stands in the table. Records of before may not have it.
 * @property {number} limit
 * @property {"lower" | "higher"} better
 * @property {boolean} ok
 * @property {string} shown  Value and limit as they stand in the table.
 * @property {string} shownLimit
 * @property {string} [reason]  Why there is no value.
 */

/** What a verdict without a value has. */
const NONE = { value: null, spread: null, shownSpread: "", ok: false, shown: "–" };

/**
 * Judges the targets whose contenders were all to be measured.
 * @param {readonly import("./contender.mjs").Target[]} targets
 * @param {ReadonlyMap<string, import("./run.mjs").Result>} results by the contender's name
 * @returns {Verdict[]}
 */
export function judge(targets, results) {
  return targets
    .filter(({ needs }) => needs.every((name) => results.has(name)))
    .map((target) => {
      const { name, limit, better, format } = target;
      const common = {
        name,
        limit,
        better,
        shownLimit: `${better === "lower" ? "≤" : "≥"} ${format(limit)}`,
      };
      const missing = target.needs
        .map((need) => results.get(need))
        .find((result) => result?.status !== "measured");
      if (missing !== undefined) {
        const why = missing.status === "failed" ? "failed" : (missing.reason ?? "left out");
        const reason = `${missing.title}: ${why}`;
        return { ...common, ...NONE, reason };
      }
      const value = target.value(
        (contender, figure) => results.get(contender)?.medians[figure] ?? Number.NaN,
      );
      if (!Number.isFinite(value)) return { ...common, ...NONE, reason: `${name}: no figure` };
      const ok = better === "lower" ? value <= limit : value >= limit;
      const rounds = valuesOf(target, results);
      const spread = spreadOf(value, rounds);
      return {
        ...common,
        value,
        spread,
        shownSpread: shownSpread(spread, rounds, format),
        ok,
        shown: format(value),
      };
    });
}

/**
 * The value in each round. Rounds of contenders are interleaved, so that the same round of each belongs together. One that has fewer
 * starts over.
 * @param {import("./contender.mjs").Target} target
 * @param {ReadonlyMap<string, import("./run.mjs").Result>} results
 */
function valuesOf(target, results) {
  const rounds = (/** @type {string} */ name) => results.get(name)?.rounds ?? [];
  return Array.from({ length: Math.max(...target.needs.map((name) => rounds(name).length)) }, (_, i) =>
    target.value((contender, figure) => {
      const all = rounds(contender);
      return all[i % all.length]?.[figure] ?? Number.NaN;
    }),
  ).filter(Number.isFinite);
}

/**
 * How far the farthest round lies from the value, as a part of it.
 * @param {number} value from the medians
 * @param {readonly number[]} rounds
 */
function spreadOf(value, rounds) {
  if (rounds.length < 2) return null;
  const farthest = Math.max(...rounds.map((each) => Math.abs(each - value)));
  if (farthest === 0) return 0;
  return value === 0 ? null : farthest / Math.abs(value);
}

import { percent } from "./format.mjs";

/**
 * @typedef {object} Verdict
 * @property {string} name
 * @property {number | null} value  Null where it could not be measured.
 * @property {number | null} spread  How far the value of the farthest round lies from it, as a part of it. Null where that is unknown.
 * @property {number} limit
 * @property {"lower" | "higher"} better
 * @property {boolean} ok
 * @property {string} shown  Value and limit as they stand in the table.
 * @property {string} shownLimit
 * @property {string} [reason]  Why there is no value.
 */

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
        return { ...common, value: null, spread: null, ok: false, shown: "–", reason };
      }
      const value = target.value(
        (contender, figure) => results.get(contender)?.medians[figure] ?? Number.NaN,
      );
      if (!Number.isFinite(value))
        return { ...common, value: null, spread: null, ok: false, shown: "–", reason: `${name}: no figure` };
      const ok = better === "lower" ? value <= limit : value >= limit;
      return { ...common, value, spread: spreadOf(target, value, results), ok, shown: format(value) };
    });
}

/**
 * Rounds of contenders are interleaved, so that the same round of each belongs together. One that has fewer starts over.
 * @param {import("./contender.mjs").Target} target
 * @param {number} value from the medians
 * @param {ReadonlyMap<string, import("./run.mjs").Result>} results
 */
function spreadOf(target, value, results) {
  const rounds = (/** @type {string} */ name) => results.get(name)?.rounds ?? [];
  const most = Math.max(...target.needs.map((name) => rounds(name).length));
  if (most < 2) return null;
  const values = Array.from({ length: most }, (_, i) =>
    target.value((contender, figure) => {
      const all = rounds(contender);
      return all[i % all.length]?.[figure] ?? Number.NaN;
    }),
  ).filter(Number.isFinite);
  const farthest = Math.max(...values.map((each) => Math.abs(each - value)));
  if (farthest === 0) return 0;
  return value === 0 || values.length === 0 ? null : farthest / Math.abs(value);
}

/** As it stands in the table. @param {Verdict} verdict */
export function shownSpread({ spread }) {
  return spread === null || spread === undefined ? "" : percent(spread);
}

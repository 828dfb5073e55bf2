/**
 * @typedef {object} Verdict
 * @property {string} name
 * @property {number | null} value  Null where it could not be measured.
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
        return { ...common, value: null, ok: false, shown: "–", reason };
      }
      const value = target.value(
        (contender, figure) => results.get(contender)?.medians[figure] ?? Number.NaN,
      );
      const ok = better === "lower" ? value <= limit : value >= limit;
      return { ...common, value: Number.isNaN(value) ? null : value, ok, shown: format(value) };
    });
}

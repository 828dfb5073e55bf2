/** Figures of which more is better, besides those that count something per second. */
const HIGHER = new Set(["kept", "fairness"]);

/**
 * Which way a figure is better, by its name: times, CPU, memory, calls and the like are better lower.
 * @param {string} figure
 * @returns {"lower" | "higher"}
 */
export function betterOf(figure) {
  return HIGHER.has(figure) || /perSecond$/i.test(figure) ? "higher" : "lower";
}

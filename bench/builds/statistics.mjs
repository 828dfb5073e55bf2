import { randomNumbers } from "../lib/random.mjs";
import { median } from "../lib/stats.mjs";

/** The part of the old build's speed that the new one is to have at least. */
export const LIMIT = 0.95;
/** How sure an interval is, and from how many drawings it is taken. */
export const CONFIDENCE = 0.95;
const DRAWINGS = 2_000;
/** Starts of the processes that an interval is taken from at least: of five, all are on one side of the truth in 6 % of all cases. */
export const FEWEST_STARTS = 6;
/** So that the same rounds give the same interval. */
const SEED = 1;

/**
 * What a round of either build measured, one directly after the other; less is better.
 *
 * @typedef {object} Pair
 * @property {number} old
 * @property {number} new
 *
 * @typedef {"ok" | "open" | "slower"} Verdict
 *
 * @typedef {object} Comparison
 * @property {number} old  The median over all rounds.
 * @property {number} new
 * @property {number} ratio  Speed of the new build as a part of the old one's, by the medians.
 * @property {number} pairs  The median of the ratios of the pairs. A machine that slows down for some rounds slows both of a pair.
 * @property {[number, number] | null} interval  Of `pairs`. Null where the processes were started too few times.
 * @property {Verdict} verdict
 */

/**
 * @param {readonly (readonly Pair[])[]} starts  The pairs that were measured by each start of the processes.
 * @returns {Comparison}
 */
export function compared(starts) {
  const all = starts.flat();
  const [old, fresh] = [median(all.map((pair) => pair.old)), median(all.map((pair) => pair.new))];
  const ratios = starts.map((pairs) => pairs.map((pair) => pair.old / pair.new));
  const ratio = old / fresh;
  const interval = starts.length < FEWEST_STARTS ? null : intervalOf(ratios);
  return {
    old,
    new: fresh,
    ratio,
    pairs: median(ratios.flat()),
    interval,
    verdict: verdictOf(ratio, interval),
  };
}

/**
 * Ratio and interval must both say it. They differ where a machine changed its speed during the rounds: then the medians may be of different
 * speeds.
 * @param {number} ratio
 * @param {readonly [number, number] | null} interval
 * @returns {Verdict}
 */
export function verdictOf(ratio, interval) {
  if (interval === null) return "open";
  const [low, high] = interval;
  if (ratio >= LIMIT && low >= LIMIT) return "ok";
  return ratio < LIMIT && high < LIMIT ? "slower" : "open";
}

/**
 * Between which values the median of all ratios lies, by bootstrap: draws starts, and rounds in each. Rounds of one start are more alike
 * than those of two, for code and memory lie elsewhere; drawn from one pot, they would claim to know more than they do.
 * @param {readonly (readonly number[])[]} starts
 * @returns {[number, number]}
 */
function intervalOf(starts) {
  const random = randomNumbers(SEED);
  /** @template T @param {readonly T[]} values @returns {T} */
  const drawn = (values) => /** @type {T} */ (values[Math.floor(random() * values.length)]);
  const medians = Array.from({ length: DRAWINGS }, () =>
    median(
      starts.flatMap(() => {
        const start = drawn(starts);
        return start.map(() => drawn(start));
      }),
    ),
  ).sort((a, b) => a - b);
  const outside = Math.round((DRAWINGS * (1 - CONFIDENCE)) / 2);
  return [/** @type {number} */ (medians[outside]), /** @type {number} */ (medians[DRAWINGS - 1 - outside])];
}

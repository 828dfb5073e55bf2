/**
 * The middle value; of an even number, the mean of the two in the middle.
 * @param {readonly number[]} values at least one
 */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = /** @type {number} */ (sorted[middle]);
  return sorted.length % 2 === 1 ? upper : /** @type {number} */ (sorted[middle - 1] + upper) / 2;
}

/**
 * How far the values lie from their median at most, as a part of it: 0.05 says that all are within 5 %.
 * @param {readonly number[]} values at least one
 */
export function spread(values) {
  const middle = median(values);
  if (middle === 0) return 0;
  return Math.max(...values.map((value) => Math.abs(value - middle))) / Math.abs(middle);
}

/**
 * The median distance of the values from their median (MAD), as a part of it: an outlier does not count. Null where that says nothing.
 * @param {readonly number[]} values
 */
export function medianDeviation(values) {
  if (values.length < 2) return null;
  const middle = median(values);
  if (middle === 0) return null;
  return median(values.map((value) => Math.abs(value - middle))) / Math.abs(middle);
}

/**
 * What `sum` makes of every figure that all rounds have.
 * @param {readonly import("./contender.mjs").Figures[]} rounds
 * @param {(values: number[]) => number} sum
 * @returns {import("./contender.mjs").Figures}
 */
function overRounds(rounds, sum) {
  const names = Object.keys(rounds[0] ?? {}).filter((name) =>
    rounds.every((round) => round[name] !== undefined),
  );
  return Object.fromEntries(
    names.map((name) => [name, sum(rounds.map((round) => /** @type {number} */ (round[name])))]),
  );
}

/** @param {readonly import("./contender.mjs").Figures[]} rounds */
export const medians = (rounds) => overRounds(rounds, median);

/** One round has none. @param {readonly import("./contender.mjs").Figures[]} rounds */
export const spreads = (rounds) => (rounds.length < 2 ? {} : overRounds(rounds, spread));

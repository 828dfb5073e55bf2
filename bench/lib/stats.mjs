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
 * The median over the rounds of every figure that all of them have.
 * @param {readonly import("./contender.mjs").Figures[]} rounds
 * @returns {import("./contender.mjs").Figures}
 */
export function medians(rounds) {
  const names = Object.keys(rounds[0] ?? {});
  return Object.fromEntries(
    names
      .filter((name) => rounds.every((round) => round[name] !== undefined))
      .map((name) => [name, median(rounds.map((round) => /** @type {number} */ (round[name])))]),
  );
}

import { percent } from "./format.mjs";

/** From here on a spread says nothing, as a part of a median that is almost nothing. */
const FAR = 10;

/**
 * How far the rounds lie from their median, in words: as a part of it, or from where to where, if it is near 0.
 * @param {number | null | undefined} spread  As a part of the median.
 * @param {readonly number[]} rounds  Their values, where they are known.
 * @param {(value: number) => string} format
 */
export function shownSpread(spread, rounds, format) {
  const [least, most] = [Math.min(...rounds), Math.max(...rounds)];
  // Of a median of 0, nothing is a part.
  const far = spread ? spread >= FAR : least < most;
  if (far) return rounds.length === 0 ? "" : `${format(least)} to ${format(most)}`;
  return spread === null || spread === undefined ? "" : percent(spread);
}

import { ratio } from "./format.mjs";

/** @typedef {import("./contender.mjs").Target} Target */

/**
 * A goal for a figure of one contender as a multiple of another's.
 *
 * @param {string} name
 * @param {{ name: string }} ours
 * @param {{ name: string }} theirs
 * @param {string} of  The name of the figure.
 * @param {number} limit
 * @param {Target["better"]} [better]
 * @returns {Target}
 */
export function multiple(name, ours, theirs, of, limit, better = "lower") {
  return {
    name,
    needs: [ours.name, theirs.name],
    value: (figure) => figure(ours.name, of) / figure(theirs.name, of),
    limit,
    better,
    format: ratio,
  };
}

/**
 * @typedef {object} Row
 * @property {import("../addon/targets.mjs").Target} target
 * @property {string} state
 * @property {import("./inspect.mjs").Facts | undefined} facts  Undefined if there is no file.
 */

const HEAD = ["target", "size", "newest symbol", "runs from", "exports", ""];

/** The table of all binaries. @param {readonly Row[]} rows @returns {string} */
export function table(rows) {
  const cells = rows.map(({ target, state, facts }) => [
    target.name,
    facts === undefined ? "-" : facts.size.toLocaleString("en"),
    facts?.newest ?? "-",
    target.minimum,
    facts === undefined ? "-" : String(facts.exports),
    state,
  ]);
  const widths = HEAD.map((_, column) =>
    Math.max(...[HEAD, ...cells].map((row) => String(row[column]).length)),
  );
  const isNumber = (/** @type {number} */ column) => column === 1 || column === 4;
  return [HEAD, ...cells]
    .map((row) =>
      row
        .map((cell, column) => {
          const width = /** @type {number} */ (widths[column]);
          return isNumber(column) ? cell.padStart(width) : cell.padEnd(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** What is wrong with the binaries: a line each. @param {readonly Row[]} rows @returns {string[]} */
export function faultsIn(rows) {
  return rows.flatMap(({ target, facts }) =>
    (facts?.faults ?? []).map((fault) => `${target.name}: ${fault}`),
  );
}

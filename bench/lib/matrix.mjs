import { NONE, percent } from "./format.mjs";
import { median } from "./stats.mjs";
import { stacked } from "./table.mjs";

/**
 * The table of a suite whose contenders differ in two ways. Columns that don't fit beside the others stand below them.
 * @param {import("./contender.mjs").Matrix} matrix
 * @param {readonly import("./run.mjs").Result[]} results
 * @param {number} [width] of the terminal
 * @returns {string[][]} tables, each of a heading, a rule, and rows
 */
export function matrixTables(matrix, results, width) {
  const values = [...new Set(results.map(({ facts }) => facts[matrix.columns]))].filter(
    (value) => value !== undefined,
  );
  if (values.every((value) => typeof value === "number")) values.sort((a, b) => Number(a) - Number(b));
  const { columnTitle = String } = matrix;
  const titles = values.map((value) => columnTitle(value));
  const rows = [...new Set(results.map((result) => result[matrix.rows]))].map((row) => {
    const inside = results.filter((result) => result[matrix.rows] === row);
    const cells = values.map((value) =>
      cell(
        matrix,
        inside.find(({ facts }) => facts[matrix.columns] === value),
      ),
    );
    return { label: String(row), cells, remark: remark(inside) };
  });

  return stacked(titles, rows, width);
}

/**
 * How far the rounds lie from the medians in the cells, in one line; undefined where there was one round only.
 * @param {import("./contender.mjs").Matrix} matrix
 * @param {readonly import("./run.mjs").Result[]} results
 */
export function matrixSpread({ figure }, results) {
  const spreads = results.flatMap(({ spreads }) => spreads[figure] ?? []);
  if (spreads.length === 0) return undefined;
  return `Spread of the rounds: ${percent(median(spreads))} in the median of all cells, ${percent(Math.max(...spreads))} at most.`;
}

/** @param {import("./contender.mjs").Matrix} matrix @param {import("./run.mjs").Result | undefined} result */
function cell({ figure, format }, result) {
  if (result?.status === "failed") return "failed";
  const value = result?.medians[figure];
  return value === undefined
    ? NONE
    : format(value, /** @type {import("./run.mjs").Result} */ (result).medians);
}

/**
 * What stands in a row that has no figure at all.
 * @param {readonly import("./run.mjs").Result[]} results
 */
function remark(results) {
  const [first] = results;
  if (first === undefined || first.status === "measured") return undefined;
  if (results.some(({ status }) => status !== first.status)) return undefined;
  return first.status === "failed" ? "failed, see below" : (first.reason ?? NONE);
}

// A suite as a Markdown table.

import { formatOf } from "../lib/figure-format.mjs";
import { duration } from "../lib/format.mjs";
import { loadWarning } from "../lib/load.mjs";
import { shownSpread } from "../lib/spread.mjs";
import { columnsOf } from "./figures.mjs";
import { withoutCount } from "./kinds.mjs";
import { NONE, table } from "./markdown.mjs";
import { measured } from "./record.mjs";
import { groupBy, ownWork } from "./workloads.mjs";

/** The mean, and as much of the distribution as a page is wide. */
const TIMES = ["ns", "p50", "p99", "p99.9", "p99.99", "max"];

/** @typedef {import("./record.mjs").Result} Result */

/** @param {Result} result @param {string} figure @param {(value: number) => string} format */
function cell({ medians }, figure, format) {
  const value = medians[figure];
  return value === undefined ? NONE : format(value);
}

/** How far the farthest round lies from the median. @param {Result} result @param {string} figure @param {(value: number) => string} format */
export function spreadOf({ spreads, rounds }, figure, format) {
  const values = (rounds ?? []).flatMap((round) => round[figure] ?? []);
  return values.length === 1 ? "" : shownSpread(spreads?.[figure], values, format);
}

/** What a figure of times is called. @param {string} figure */
export function timeTitle(figure) {
  return figure === "ns" ? "mean" : figure;
}

/**
 * Distributions of times, the lowest median first.
 * @param {readonly Result[]} results
 */
export function distributionTable(results) {
  const sorted = results.toSorted((a, b) => (a.medians.p50 ?? Infinity) - (b.medians.p50 ?? Infinity));
  const figures = TIMES.filter((figure) => sorted.some(({ medians }) => medians[figure] !== undefined));
  return table(
    ["", ...figures.map(timeTitle), "spread of p50"],
    sorted.map((result) => [
      result.title,
      ...figures.map((figure) => cell(result, figure, duration)),
      spreadOf(result, "p50", duration),
    ]),
  );
}

/**
 * The columns of a suite, and the spread of the first; workloads that it tells apart, one table each.
 * @param {import("./record.mjs").Suite} suite
 */
export function suiteTable(suite) {
  const columns = columnsOf(suite);
  const [first] = columns;
  if (first === undefined) return "";
  const titles = ["", ...columns.map(({ title }) => title), "spread"];
  return table(
    titles,
    measured(suite).map((result) => [
      result.title,
      ...columns.map((column) => cell(result, column.figure, formatOf(column))),
      spreadOf(result, first.figure, formatOf(first)),
    ]),
  );
}

/**
 * A row for each mechanism, some columns for each value of a fact.
 * @param {readonly Result[]} results
 * @param {(result: Result) => number} fact
 * @param {(value: number) => string} heading
 * @param {{ title: string, figure: string, format?: string }[]} columns
 * @param {object} [more]
 * @param {string} [more.order]  The figure by which the rows are sorted. Default: the first.
 * @param {{ name: string, write: (value: number) => string }} [more.unit]  Stands once, in the corner, where there is no room for it in each cell.
 */
export function pivot(results, fact, heading, columns, { order = columns[0]?.figure, unit } = {}) {
  const values = [...new Set(results.map(fact))].toSorted((a, b) => a - b);
  const rows = groupBy(results, ({ title }) => title);
  const lead = [...rows].toSorted(([, a], [, b]) => overall(a, order) - overall(b, order));
  const several = columns.length > 1;
  return table(
    [
      unit?.name ?? "",
      ...values.flatMap((value) =>
        columns.map(({ title }) => (several ? `${heading(value)}: ${title}` : heading(value))),
      ),
    ],
    lead.map(([title, inside]) => [
      title,
      ...values.flatMap((value) => {
        const result = inside.find((each) => fact(each) === value);
        return columns.map((column) => {
          if (result === undefined) return NONE;
          const late = result.medians.kept !== undefined && result.medians.kept < 1;
          return `${cell(result, column.figure, unit?.write ?? formatOf(column))}${late && result.medians[column.figure] !== undefined ? " †" : ""}`;
        });
      }),
    ]),
  );
}

/** To sort by, the best first: the geometric mean. @param {readonly Result[]} results @param {string} [figure] */
export function overall(results, figure = "") {
  const values = results.map(({ medians }) => medians[figure] ?? 0).filter((value) => value > 0);
  if (values.length === 0) return Infinity;
  const mean = values.reduce((total, value) => total + Math.log(value), 0) / values.length;
  return /perSecond$/i.test(figure) ? -mean : mean;
}

/**
 * The columns of a suite whose contenders differ in a number of something: a row for each number, those of a mechanism together.
 * @param {import("./record.mjs").Suite} suite
 * @param {string} fact  The number, and the heading of its column.
 */
export function countedTable(suite, fact) {
  const columns = columnsOf(suite);
  const [first] = columns;
  const mechanisms = [...groupBy(measured(suite), ({ title }) => withoutCount(title))].toSorted(
    ([, a], [, b]) => overall(a, first?.figure) - overall(b, first?.figure),
  );
  return table(
    ["", fact, ...columns.map(({ title }) => title), "spread"],
    mechanisms.flatMap(([title, results]) =>
      results
        .toSorted((a, b) => Number(a.facts[fact]) - Number(b.facts[fact]))
        .map((result) => [
          title,
          Number(result.facts[fact]).toLocaleString("en-US"),
          ...columns.map((column) => cell(result, column.figure, formatOf(column))),
          first === undefined ? "" : spreadOf(result, first.figure, formatOf(first)),
        ]),
    ),
  );
}

/** Contenders of which there are no figures, and why. @param {import("./record.mjs").BenchRecord} record */
export function absent(record) {
  const all = record.data.suites.flatMap((suite) =>
    suite.results.filter(({ status }) => status !== "measured").map((result) => ({ suite, result })),
  );
  return table(
    ["", "where", "", "why"],
    all.map(({ suite, result }) => [
      result.title,
      [suite.title, ownWork(suite, result)].filter(Boolean).join("; "),
      result.status,
      (result.reason ?? "").split("\n")[0]?.replaceAll("|", "\\|") ?? "",
    ]),
    ["left", "left", "left", "left"],
  );
}

/**
 * While these were measured, other programs may have been in the way.
 * @param {import("./record.mjs").BenchRecord} record
 */
export function disturbed({ data }) {
  return data.suites.filter(({ foreignLoad }) => loadWarning(foreignLoad ?? undefined) !== undefined);
}

/** @param {import("./record.mjs").BenchRecord} record @param {readonly import("./record.mjs").Verdict[]} verdicts */
export function verdictTable(record, verdicts) {
  const doubtful = new Set(disturbed(record).map(({ name }) => name));
  const judged = (/** @type {import("./record.mjs").Verdict} */ { ok, value }) =>
    ok ? "ok" : value === null ? "**not measured**" : "**missed**";
  return table(
    ["verdict", "measured", "spread", "limit", ""],
    verdicts.map((verdict) => [
      verdict.name,
      verdict.shown,
      // Older records do not say how it is shown.
      verdict.shownSpread ?? shownSpread(verdict.spread, [], String),
      verdict.shownLimit,
      `${judged(verdict)}${doubtful.has(verdict.suite ?? "") ? ", other programs ran" : ""}`,
    ]),
    ["left", "right", "right", "right", "left"],
  );
}

// A suite as a Markdown table.
import { duration, percent } from "../lib/format.mjs";
import { columnsOf, formatOf } from "./figures.mjs";
import { NONE, table } from "./markdown.mjs";
import { measured } from "./record.mjs";
import { groupBy, workload } from "./workloads.mjs";

const PERCENTILES = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];

/** @typedef {import("./record.mjs").Result} Result */

/** @param {Result} result @param {string} figure @param {(value: number) => string} format */
function cell({ medians }, figure, format) {
  const value = medians[figure];
  return value === undefined ? NONE : format(value);
}

/** How far the farthest round lies from the median. @param {Result} result @param {string} figure */
export function spreadOf({ spreads, rounds }, figure) {
  const part = spreads?.[figure];
  return part === undefined || rounds?.length === 1 ? "" : percent(part);
}

/**
 * Distributions of times, the lowest median first.
 * @param {readonly Result[]} results
 */
export function distributionTable(results) {
  const sorted = results.toSorted((a, b) => (a.medians.p50 ?? Infinity) - (b.medians.p50 ?? Infinity));
  const figures = PERCENTILES.filter((figure) => sorted.some(({ medians }) => medians[figure] !== undefined));
  return table(
    ["", ...figures, "spread of p50"],
    sorted.map((result) => [
      result.title,
      ...figures.map((figure) => cell(result, figure, duration)),
      spreadOf(result, "p50"),
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
      spreadOf(result, first.figure),
    ]),
  );
}

/**
 * A row for each mechanism, some columns for each value of a fact.
 * @param {readonly Result[]} results
 * @param {(result: Result) => number} fact
 * @param {(value: number) => string} heading
 * @param {{ title: string, figure: string, format?: string }[]} columns
 */
export function pivot(results, fact, heading, columns) {
  const values = [...new Set(results.map(fact))].toSorted((a, b) => a - b);
  const rows = groupBy(results, ({ title }) => title);
  const [first] = columns;
  const lead = [...rows].toSorted(([, a], [, b]) => sum(a, first?.figure) - sum(b, first?.figure));
  const several = columns.length > 1;
  return table(
    [
      "",
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
          return `${cell(result, column.figure, formatOf(column))}${late ? " †" : ""}`;
        });
      }),
    ]),
  );
}

/** To sort by: the geometric mean. @param {readonly Result[]} results @param {string} [figure] */
function sum(results, figure = "") {
  const values = results.map(({ medians }) => medians[figure] ?? 0).filter((value) => value > 0);
  if (values.length === 0) return Infinity;
  const mean = values.reduce((total, value) => total + Math.log(value), 0) / values.length;
  return /perSecond$/i.test(figure) ? -mean : mean;
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
      [suite.title, workload(result)].filter(Boolean).join("; "),
      result.status,
      (result.reason ?? "").split("\n")[0]?.replaceAll("|", "\\|") ?? "",
    ]),
    ["left", "left", "left", "left"],
  );
}

/** Verdicts. @param {readonly import("./record.mjs").Verdict[]} verdicts */
export function verdictTable(verdicts) {
  return table(
    ["verdict", "measured", "spread", "limit", ""],
    verdicts.map(({ name, value, shown, spread, shownLimit, ok }) => [
      name,
      shown,
      typeof spread === "number" && value !== null ? percent(spread) : "",
      shownLimit,
      ok ? "ok" : value === null ? "**not measured**" : "**missed**",
    ]),
    ["left", "right", "right", "right", "left"],
  );
}

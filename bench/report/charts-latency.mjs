// Charts of times, from the quickest to the slowest. One whose suite the record does not have is left out.

import { duration } from "../lib/format.mjs";
import { PERCENTILES } from "../lib/percentiles.mjs";
import { firstOf, kindOf, OURS, plain, SOCKET } from "./kinds.mjs";
import { measured } from "./record.mjs";
import { multiples, rangePanels, ranges } from "./shapes.mjs";
import { overall } from "./suite-tables.mjs";
import { groupBy, workload } from "./workloads.mjs";

/**
 * @typedef {import("./charts.mjs").Chart} Chart
 * @typedef {import("./record.mjs").BenchRecord} BenchRecord
 * @typedef {import("./record.mjs").Result} Result
 */

/** Parts of all times, as far out as they are drawn: a nine more each step. */
const NINES = /** @type {[string, number][]} */ (
  Object.entries(PERCENTILES).map(([name, percent]) => [name, -Math.log10(1 - percent / 100)])
);

/** The greatest of all is no percentile: it stands apart, behind the last. */
const MAX = 5.4;

/** @param {Result} result */
function distribution({ title, medians, ...result }) {
  const points = NINES.filter(([name]) => medians[name] !== undefined).map(([name, x]) => ({
    x: Number(x.toFixed(4)),
    y: /** @type {number} */ (medians[name]),
  }));
  return {
    name: plain(title),
    kind: kindOf({ title, medians, ...result }),
    points,
    ...(medians.max === undefined ? {} : { apart: { x: MAX, y: medians.max } }),
  };
}

/** @param {Result[]} results @param {(result: Result) => any} curve */
function references(results, curve) {
  return /** @type {const} */ ([
    [OURS, "ours"],
    [SOCKET, "other"],
  ]).flatMap(([peer, kind]) => {
    const result = firstOf(results, peer);
    return result === undefined ? [] : [{ name: plain(result.title), kind, curve: curve(result) }];
  });
}

/** @param {Result} result @param {Partial<import("./shapes.mjs").Dot>} [more] */
export function dot({ title, medians, ...result }, more = {}) {
  return {
    label: plain(title),
    kind: kindOf({ title, medians, ...result }),
    at: /** @type {number} */ (medians.p50),
    ...(medians.p99 === undefined ? {} : { thick: medians.p99 }),
    shown: duration(/** @type {number} */ (medians.p50)),
    ...more,
  };
}

/** @param {Result[]} results  In which the lowest p50 comes first. */
function byLatency(results) {
  return results
    .filter(({ medians }) => medians.p50 !== undefined)
    .toSorted((a, b) => /** @type {number} */ (a.medians.p50) - /** @type {number} */ (b.medians.p50));
}

/** @param {readonly { title: string, medians: Record<string, number> }[]} results @param {number} number */
function extremes(results, number) {
  const say = (/** @type {{ title: string, medians: Record<string, number> }} */ { title, medians }) =>
    `${plain(title)} ${duration(/** @type {number} */ (medians.p50))}`;
  return `Lowest: ${results.slice(0, number).map(say).join(", ")}. Highest: ${say(/** @type {any} */ (results.at(-1)))}.`;
}

/** @param {BenchRecord} record @returns {Chart[]} */
export function latencyOverview(record) {
  const suite = record.suite("latency");
  const results = byLatency([...measured(suite), ...measured(record.suite("wake-ups"))]);
  if (suite === undefined || results.length === 0) return [];
  return [
    {
      name: "latency",
      alt: `Round trips of 32 B: median to p99 of each mechanism, logarithmic. ${extremes(results, 3)}`,
      spec: ranges({
        title: "Round trip, 32 B: the median (dot and figure), and p99 (end of the bar)",
        subtitle:
          "Logarithmic. Blue: ringbell. Orange diamonds: floors in C++, without Node. Grey squares: others.",
        format: "duration",
        rows: unique(results, (result) => dot(result)),
      }),
    },
  ];
}

/**
 * Titles that two have are told apart by what was asked for, or else by a number.
 * @template {{ label: string }} R
 * @param {Result[]} results
 * @param {(result: Result) => R} row
 */
export function unique(results, row) {
  const titles = groupBy(results, ({ title }) => title);
  /** @type {Map<string, number>} */
  const seen = new Map();
  return results.map((result) => {
    const each = row(result);
    const several = (titles.get(result.title)?.length ?? 1) > 1;
    const label = several ? [each.label, workload(result)].filter(Boolean).join(", ") : each.label;
    const times = (seen.get(label) ?? 0) + 1;
    seen.set(label, times);
    return { ...each, label: times === 1 ? label : `${label} (${times})` };
  });
}

/** @param {BenchRecord} record @returns {Chart[]} */
export function latencyDistributions(record) {
  const results = byLatency(measured(record.suite("latency")));
  if (results.length === 0) return [];
  const curves = new Map(results.map((result) => [result, distribution(result)]));
  const labels = NINES.filter(([name]) => /^p(50|90|99|99\.9|99\.99)$/.test(name));
  const values = [...labels.map(([, x]) => Number(x.toFixed(4))), MAX];
  const texts = ["50", "90", "99", "99.9", "99.99", "max"];
  return [
    {
      name: "latency-distribution",
      alt: `Round trips of 32 B: the distribution of each mechanism in a panel of its own, from p1 to the maximum. ${extremes(results, 3)}`,
      spec: multiples({
        title: "Round trip, 32 B: distributions",
        subtitle:
          "Across: percentile, a nine more each step, as far as there are enough samples; the dot is the longest of all, of which the quicker ones had more. Up: time, logarithmic. Medians of the rounds; the lowest median first.",
        curves: results.map((result) => /** @type {any} */ (curves.get(result))),
        references: references(results, (result) => curves.get(result)),
        x: {
          scale: { domain: [0, MAX], nice: false },
          axis: {
            values,
            grid: true,
            title: null,
            labelFontSize: 10,
            labelFlush: true,
            labelOverlap: false,
            labelExpr: `${JSON.stringify(texts)}[indexof(${JSON.stringify(values)}, datum.value)]`,
          },
        },
        format: "duration",
      }),
    },
  ];
}

/** @param {BenchRecord} record @returns {Chart[]} */
export function latencyPaced(record) {
  const suite = record.suite("latency-paced");
  const results = measured(suite).filter(({ medians }) => medians.p50 !== undefined);
  const rates = groupBy(results, ({ facts }) => Number(facts.rate));
  if (rates.size === 0) return [];
  // As in the table.
  const order = [...groupBy(results, ({ peer }) => peer)]
    .toSorted(([, a], [, b]) => overall(a, "p50") - overall(b, "p50"))
    .map(([peer]) => peer);
  return [
    {
      name: "latency-paced",
      alt: `Round trips of 32 B at fixed rates, counted from when a message was due: the median of each mechanism at ${[...rates.keys()].map((each) => each.toLocaleString("en-US")).join(", ")} messages a second.`,
      spec: rangePanels({
        title: "Round trip, 32 B, at fixed rates: medians",
        subtitle:
          "Logarithmic; from when the message was due. Hollow: did not keep up with the rate. The table has the tails.",
        panels: [...rates]
          .toSorted(([a], [b]) => a - b)
          .map(([each, of]) => ({
            title: `${each.toLocaleString("en-US")} a second`,
            format: "duration",
            rows: order.flatMap((peer) =>
              of
                .filter((result) => result.peer === peer)
                .slice(0, 1)
                .map(({ medians: { p99, ...medians }, ...result }) =>
                  dot({ ...result, medians }, { hollow: (medians.kept ?? 1) < 1 }),
                ),
            ),
          })),
      }),
    },
  ];
}

/** @param {BenchRecord} record @returns {Chart[]} */
export function startUp(record) {
  const suite = record.suite("startup");
  const results = byLatency(measured(suite));
  if (suite === undefined || results.length === 0) return [];
  return [
    {
      name: "startup",
      alt: `${suite.title}: median to p99 of each mechanism, logarithmic. ${extremes(results, 3)}`,
      spec: ranges({
        title: `${suite.title}: the median (dot and figure), and p99 (end of the bar)`,
        subtitle: "Logarithmic. Without a bar: too few links for a p99.",
        format: "duration",
        rows: unique(results, (result) => dot(result)),
      }),
    },
  ];
}

// What is drawn, and of what. A chart whose suite the record does not have is left out.

import { duration, rate, size, throughput } from "../lib/format.mjs";
import { PERCENTILES } from "../lib/percentiles.mjs";
import { labelled } from "./axes.mjs";
import { columnsOf, formatName, formatOf, higherIsBetter } from "./figures.mjs";
import { firstOf, kindOf, OURS, plain, SOCKET } from "./kinds.mjs";
import { measured } from "./record.mjs";
import { figures, lines, multiples, rangePanels, ranges } from "./shapes.mjs";
import { groupBy, ranked, workload } from "./workloads.mjs";

/**
 * @typedef {object} Chart
 * @property {string} name  Of its files.
 * @property {string} alt
 * @property {(colours: import("./theme.mjs").Colours) => object} spec
 *
 * @typedef {import("./record.mjs").BenchRecord} BenchRecord
 * @typedef {import("./record.mjs").Result} Result
 */

/** Parts of all times, as far out as they are drawn: a nine more each step. */
const NINES = /** @type {[string, number][]} */ (
  Object.entries(PERCENTILES).map(([name, percent]) => [name, -Math.log10(1 - percent / 100)])
);

/** The greatest of all is no percentile: it is drawn one step behind the last. */
const MAX = 5.4;

/** @param {Result} result */
function distribution({ title, medians, ...result }) {
  const points = NINES.filter(([name]) => medians[name] !== undefined).map(([name, x]) => ({
    x: Number(x.toFixed(4)),
    y: /** @type {number} */ (medians[name]),
  }));
  if (medians.max !== undefined) points.push({ x: MAX, y: medians.max });
  return { name: plain(title), kind: kindOf({ title, medians, ...result }), points };
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
function dot({ title, medians, ...result }, more = {}) {
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
        title: "Round trip, 32 B: from the median (dot) to p99 (end of the bar)",
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
function unique(results, row) {
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
          "Across: percentile, a nine more each step, then the maximum. Up: time, logarithmic. Medians of the rounds; the lowest median first.",
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
  const order = ranked(/** @type {Result[]} */ (middle([...rates.values()])), "p50");
  return [
    {
      name: "latency-paced",
      alt: `Round trips of 32 B at fixed rates, counted from when a message was due: median, p99.9 and maximum of each mechanism at ${[...rates.keys()].map((each) => each.toLocaleString("en-US")).join(", ")} messages a second.`,
      spec: rangePanels({
        title:
          "Round trip, 32 B, at fixed rates: median (dot), p99.9 (end of the bar), maximum (end of the line)",
        subtitle: "Logarithmic; from when the message was due. Hollow: did not keep up with the rate.",
        panels: [...rates]
          .toSorted(([a], [b]) => a - b)
          .map(([each, of]) => ({
            title: `${each.toLocaleString("en-US")} a second`,
            format: "duration",
            rows: order.flatMap((peer) =>
              of
                .filter((result) => result.peer === peer)
                .slice(0, 1)
                .map((result) =>
                  dot(result, {
                    ...(result.medians["p99.9"] === undefined ? {} : { thick: result.medians["p99.9"] }),
                    ...(result.medians.max === undefined ? {} : { thin: result.medians.max }),
                    hollow: result.medians.kept !== undefined && result.medians.kept < 1,
                  }),
                ),
            ),
          })),
      }),
    },
  ];
}

/** @template T @param {T[]} list */
function middle(list) {
  return list[list.length >> 1];
}

/** @param {BenchRecord} record @returns {Chart[]} */
export function throughputBySize(record) {
  const results = measured(record.suite("throughput-bytes")).filter(({ medians }) => medians.bytesPerSecond);
  const peers = groupBy(results, ({ peer = "" }) => peer);
  if (peers.size === 0) return [];
  const curve = (/** @type {Result[]} */ of) => ({
    name: plain(/** @type {Result} */ (of[0]).title),
    kind: kindOf(/** @type {Result} */ (of[0])),
    points: of
      .map(({ facts, medians }) => ({
        x: Number(facts.bytes),
        y: /** @type {number} */ (medians.bytesPerSecond),
      }))
      .toSorted((a, b) => a.x - b.x),
  });
  const curves = new Map([...peers].map(([peer, of]) => [peer, curve(of)]));
  const best = (/** @type {{ points: { y: number }[] }} */ { points }) =>
    Math.max(...points.map(({ y }) => y));
  const sorted = [...curves.values()].toSorted((a, b) => best(b) - best(a));
  const copies = groupBy(
    measured(record.suite("memcpy")).filter(({ facts, medians }) => facts?.bytes && medians.bytesPerSecond),
    ({ facts }) => facts.kind,
  );
  const copying = copies.get("copy");
  const floors = copying === undefined ? [] : [{ name: "memcpy, C++", kind: "floor", curve: curve(copying) }];
  const bytes = [...new Set(results.map(({ facts }) => Number(facts.bytes)))].toSorted((a, b) => a - b);
  const ticks = bytes.filter((_, i) => i % Math.ceil(bytes.length / 4) === 0);
  return [
    {
      name: "throughput-by-size",
      alt: `Bytes a second one way, by the size of a message, in a panel for each mechanism. Highest: ${sorted
        .slice(0, 3)
        .map((each) => `${each.name} ${throughput(best(each))}`)
        .join(", ")}.`,
      spec: multiples({
        title: "One way: bytes a second by size of message",
        subtitle: "Both axes logarithmic. The highest peak first.",
        curves: sorted,
        references: [
          ...[OURS, SOCKET].flatMap((peer) => {
            const of = curves.get(peer);
            return of === undefined ? [] : [{ name: of.name, kind: of.kind, curve: of }];
          }),
          .../** @type {any[]} */ (floors),
        ],
        x: {
          scale: { type: "log", domain: [bytes[0], bytes.at(-1)], nice: false },
          axis: {
            values: ticks,
            grid: true,
            title: null,
            labelFontSize: 10,
            labelFlush: true,
            ...labelled("size"),
          },
        },
        format: "throughput",
      }),
    },
  ];
}

/** How long the objects are. @param {Result[]} results */
function asked([result]) {
  return `about ${size(Number(result?.facts.bytes))}`;
}

/** @param {BenchRecord} record @returns {Chart[]} */
export function objects(record) {
  const latencies = groupBy(
    measured(record.suite("latency-objects")).filter(({ medians }) => medians.p50 !== undefined),
    workload,
  );
  const rates = groupBy(
    measured(record.suite("throughput-objects")).filter(({ medians }) => medians.perSecond !== undefined),
    workload,
  );
  const first = [...latencies.values()][0] ?? [...rates.values()][0];
  if (first === undefined) return [];
  const order = ranked(first, latencies.size > 0 ? "p50" : "perSecond");
  const sorted = (/** @type {Result[]} */ of) =>
    order.flatMap((peer) => of.filter((result) => result.peer === peer).slice(0, 1));
  const panels = [
    ...[...latencies.values()].map((of) => ({
      title: `round trip, ${asked(of)}`,
      format: "duration",
      rows: sorted(of).map((result) => dot(result)),
    })),
    ...[...rates.values()].map((of) => ({
      title: `one way, ${asked(of)}`,
      format: "rate",
      rows: sorted(of).map(({ title, medians, ...result }) => ({
        label: plain(title),
        kind: kindOf({ title, medians, ...result }),
        at: /** @type {number} */ (medians.perSecond),
        shown: rate(/** @type {number} */ (medians.perSecond)),
      })),
    })),
  ];
  return [
    {
      name: "objects",
      alt: "JSON objects: round trips from the median to p99, and objects a second one way, of each mechanism.",
      spec: rangePanels({
        title: "JSON objects: round trips, and one way",
        subtitle:
          "Logarithmic. Round trips: from the median (dot) to p99; further left is faster. One way: further right is faster.",
        panels,
      }),
    },
  ];
}

/** @param {BenchRecord} record @returns {Chart[]} */
export function costs(record) {
  return record.data.suites.filter(({ group }) => group === "cost").flatMap(compared);
}

/** @param {BenchRecord} record @returns {Chart[]} */
export function inside(record) {
  return record.data.suites.filter(({ group }) => group === "inside").flatMap(compared);
}

/** Figures of which there are several are left to the tables: parts of the first one, its percentiles, and how many there were. */
const LEFT_OUT = /^(asking|answering)|^p\d|^max$|^seconds$|perSecond/i;

/**
 * The columns of a suite side by side.
 * @param {import("./record.mjs").Suite} suite
 * @returns {Chart[]}
 */
function compared(suite) {
  const columns = columnsOf(suite)
    .filter(({ figure }) => !LEFT_OUT.test(figure))
    .slice(0, 4);
  const [lead] = columns;
  if (lead === undefined) return [];
  const results = measured(suite)
    .filter(({ medians }) => columns.some(({ figure }) => medians[figure] !== undefined))
    .toSorted((a, b) => (a.medians[lead.figure] ?? Infinity) - (b.medians[lead.figure] ?? Infinity));
  if (results.length < 2) return [];
  const rows = unique(results, (result) => ({ ...result, label: plain(result.title) }));
  return [
    {
      name: suite.name,
      alt: `${suite.title}: ${columns.map(({ title }) => title).join(", ")}, of ${results.length} compared.`,
      spec: figures({
        title: suite.title,
        panels: columns.map((column) => ({
          title: column.title,
          format: formatName(column),
          rows: rows
            .filter(({ medians }) => medians[column.figure] !== undefined)
            .map((result) => ({
              label: result.label,
              kind: kindOf(result),
              at: /** @type {number} */ (result.medians[column.figure]),
              shown: formatOf(column)(/** @type {number} */ (result.medians[column.figure])),
            })),
        })),
      }),
    },
  ];
}

/**
 * Lines over a number of something.
 * @param {BenchRecord} record
 * @param {string} name of the suite
 * @param {string} fact
 * @param {string} what
 * @returns {Chart[]}
 */
function over(record, name, fact, what) {
  const suite = record.suite(name);
  const results = measured(suite).filter(({ facts }) => typeof facts?.[fact] === "number");
  if (suite === undefined || results.length === 0) return [];
  const column = columnsOf(suite)[0];
  if (column === undefined) return [];
  const curves = [...groupBy(results, ({ peer = "" }) => peer).values()]
    .map((of) => ({
      // The number stands on the axis.
      name: plain(/** @type {Result} */ (of[0]).title).replace(/, [\d,]+$/, ""),
      kind: kindOf(/** @type {Result} */ (of[0])),
      points: of
        .filter(({ medians }) => (medians[column.figure] ?? 0) > 0)
        .map(({ facts, medians }) => ({
          x: Number(facts[fact]),
          y: /** @type {number} */ (medians[column.figure]),
        }))
        .toSorted((a, b) => a.x - b.x),
    }))
    .filter(({ points }) => points.length > 0);
  const at = [...new Set(results.map(({ facts }) => Number(facts[fact])))].toSorted((a, b) => a - b);
  return [
    {
      name,
      alt: `${suite.title}: ${column.title} of each mechanism over the number of ${what}, from ${at[0]} to ${at.at(-1)}.`,
      spec: lines({
        title: `${suite.title}: ${column.title}`,
        subtitle: `Across: ${what}. Both axes logarithmic; ${higherIsBetter(column.figure) ? "higher" : "lower"} is better.`,
        curves,
        at,
        format: formatName(column),
      }),
    },
  ];
}

/** @param {BenchRecord} record @returns {Chart[]} */
export function channels(record) {
  return over(record, "scale-channels", "channels", "channels");
}

/** @param {BenchRecord} record @returns {Chart[]} */
export function senders(record) {
  return over(record, "scale-senders", "senders", "senders");
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
        title: `${suite.title}: from the median (dot) to p99 (end of the bar)`,
        subtitle: "Logarithmic.",
        format: "duration",
        rows: unique(results, (result) => dot(result)),
      }),
    },
  ];
}

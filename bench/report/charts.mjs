// What is drawn, and of what. A chart whose suite the record does not have is left out.

import { formatName, formatOf } from "../lib/figure-format.mjs";
import { rate, size, throughput } from "../lib/format.mjs";
import { labelled } from "./axes.mjs";
import { dot, unique } from "./charts-latency.mjs";
import { columnsOf, higherIsBetter } from "./figures.mjs";
import { kindOf, OURS, plain, SOCKET, withoutCount } from "./kinds.mjs";
import { measured } from "./record.mjs";
import { figures, lines, multiples, rangePanels } from "./shapes.mjs";
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
          "Logarithmic. Round trips: the median (dot and figure), and p99 (end of the bar); further left is faster. One way: further right is faster.",
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

/** What is left to the tables: parts of the first figure, its percentiles, how many there were, and what says little. */
const LEFT_OUT = /^(asking|answering|preemptions)|^p\d|^max$|^seconds$|perSecond/i;

/** Of what the figures of a suite are, where its title does not say it. */
const EACH = /** @type {Record<string, string>} */ ({
  cost: "Each of one message.",
  "cost-flood": "Each of one message.",
});

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
        subtitle: [EACH[suite.name], "Lower is better."].filter(Boolean).join(" "),
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
 * @param {string} what  What there is a number of.
 * @param {string} shown  The first figure of the suite, in words.
 * @returns {Chart[]}
 */
function over(record, name, fact, what, shown) {
  const suite = record.suite(name);
  const results = measured(suite).filter(({ facts }) => typeof facts?.[fact] === "number");
  if (suite === undefined || results.length === 0) return [];
  const column = columnsOf(suite)[0];
  if (column === undefined) return [];
  const curves = [...groupBy(results, ({ peer = "" }) => peer).values()]
    .map((of) => ({
      // The number stands on the axis.
      name: plain(withoutCount(/** @type {Result} */ (of[0]).title)),
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
      alt: `${suite.title}: ${shown}, of each mechanism over the number of ${what}, from ${at[0]} to ${at.at(-1)}.`,
      spec: lines({
        title: `${suite.title}: ${shown}`,
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
  return over(record, "scale-channels", "channels", "links", "a round trip through one, the others idle");
}

/** @param {BenchRecord} record @returns {Chart[]} */
export function senders(record) {
  return over(record, "scale-senders", "senders", "senders", "messages a second, all senders together");
}

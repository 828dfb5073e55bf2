// Which mechanism answers, or carries, in which order of magnitude.
import { duration, size, throughput } from "../lib/format.mjs";
import { table } from "./markdown.mjs";
import { measured } from "./record.mjs";
import { groupBy } from "./workloads.mjs";

const TIMES = /** @type {[string, number][]} */ ([
  ["below 1 µs", 1e3],
  ["below 10 µs", 1e4],
  ["below 100 µs", 1e5],
  ["below 1 ms", 1e6],
  ["1 ms and more", Infinity],
]);

const RATES = /** @type {[string, number][]} */ ([
  ["10 GB/s and more", 10e9],
  ["5 GB/s and more", 5e9],
  ["1 GB/s and more", 1e9],
  ["below 1 GB/s", 0],
]);

/** By the median round trip of 32 B. @param {import("./record.mjs").BenchRecord} record */
export function latencyTiers(record) {
  const results = measured(record.suite("latency")).flatMap(({ title, medians: { p50 } }) =>
    p50 === undefined ? [] : [{ title, p50 }],
  );
  if (results.length === 0) return undefined;
  return tiers(
    ["round trip of 32 B", "", "p50"],
    results
      .toSorted((a, b) => a.p50 - b.p50)
      .map(({ title, p50 }) => ({
        tier: TIMES.find(([, below]) => p50 < below)?.[0],
        cells: [title, duration(p50)],
      })),
    ["left", "left", "right"],
  );
}

/** By the best of all sizes. @param {import("./record.mjs").BenchRecord} record */
export function rateTiers(record) {
  const peers = groupBy(
    measured(record.suite("throughput-bytes")).filter(({ medians }) => medians.bytesPerSecond !== undefined),
    ({ peer }) => peer,
  );
  if (peers.size === 0) return undefined;
  return tiers(
    ["one way, at the best size of message", "", "bytes", "messages of"],
    [...peers.values()]
      .flatMap((results) => results.toSorted((a, b) => speed(b) - speed(a)).slice(0, 1))
      .toSorted((a, b) => speed(b) - speed(a))
      .map((result) => ({
        tier: RATES.find(([, from]) => speed(result) >= from)?.[0],
        cells: [result.title, throughput(speed(result)), size(Number(result.facts.bytes))],
      })),
    ["left", "left", "right", "right"],
  );
}

/**
 * The name of a tier stands in its first row.
 * @param {string[]} titles
 * @param {{ tier: string | undefined, cells: string[] }[]} rows  Those of a tier together.
 * @param {("left" | "right")[]} aligns
 */
function tiers(titles, rows, aligns) {
  return table(
    titles,
    rows.map(({ tier, cells }, i) => [tier === rows[i - 1]?.tier ? "" : `**${tier}**`, ...cells]),
    aligns,
  );
}

/** @param {import("./record.mjs").Result} result */
function speed({ medians }) {
  return /** @type {number} */ (medians.bytesPerSecond);
}

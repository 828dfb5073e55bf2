// Which mechanism answers, or carries, in which order of magnitude: lists, since a cell would hold too much.
import { duration, size, throughput } from "../lib/format.mjs";
import { plain } from "./kinds.mjs";
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
  const results = measured(record.suite("latency"))
    .filter(({ medians }) => medians.p50 !== undefined)
    .map(({ title, medians }) => ({ title: plain(title), value: /** @type {number} */ (medians.p50) }))
    .toSorted((a, b) => a.value - b.value);
  if (results.length === 0) return undefined;
  let from = 0;
  return list(
    "Round trips of 32 B, by their median:",
    TIMES.map(([name, below]) => {
      const inside = results.filter(({ value }) => value >= from && value < below);
      from = below;
      return [name, inside.map(({ title, value }) => `${title} (${duration(value)})`).join("; ")];
    }),
  );
}

/** By the best of all sizes. @param {import("./record.mjs").BenchRecord} record */
export function rateTiers(record) {
  const peers = groupBy(
    measured(record.suite("throughput-bytes")).filter(({ medians }) => medians.bytesPerSecond !== undefined),
    ({ peer }) => peer,
  );
  if (peers.size === 0) return undefined;
  const best = [...peers.values()]
    .map((results) => results.toSorted((a, b) => speed(b) - speed(a))[0])
    .filter((result) => result !== undefined)
    .toSorted((a, b) => speed(b) - speed(a));
  let below = Infinity;
  return list(
    "Bytes a second one way, at the best size of message:",
    RATES.map(([name, from]) => {
      const inside = best.filter((result) => speed(result) >= from && speed(result) < below);
      below = from;
      const texts = inside.map(
        (result) =>
          `${plain(result.title)} (${throughput(speed(result))} at ${size(Number(result.facts.bytes))})`,
      );
      return [name, texts.join("; ")];
    }),
  );
}

/** @param {string} heading @param {string[][]} tiers */
function list(heading, tiers) {
  return [heading, "", ...tiers.map(([name, inside]) => `- **${name}**: ${inside || "none"}`)].join("\n");
}

/** @param {import("./record.mjs").Result} result */
function speed({ medians }) {
  return /** @type {number} */ (medians.bytesPerSecond);
}

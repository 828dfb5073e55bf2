import { duration } from "../lib/format.mjs";

/** Of a table of round trips: the whole, and the distribution of single ones. @type {import("../lib/contender.mjs").Column[]} */
export const roundTripColumns = [
  { title: "mean", figure: "ns", format: duration, spread: true },
  { title: "p50", figure: "p50", format: duration },
  { title: "p90", figure: "p90", format: duration },
  { title: "p99", figure: "p99", format: duration },
  { title: "p99.9", figure: "p99.9", format: duration },
  { title: "max", figure: "max", format: duration },
];

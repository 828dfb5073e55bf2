import { betterOf } from "../lib/better.mjs";

/** Whether more of it is better. @param {string} figure */
export function higherIsBetter(figure) {
  return betterOf(figure) === "higher";
}

/** What a figure counts, where a suite has no column of it: the usual ones. */
const USUAL = [
  { title: "time", figure: "ns" },
  { title: "messages", figure: "perSecond" },
  { title: "bytes", figure: "bytesPerSecond" },
  { title: "p50", figure: "p50" },
  { title: "p99", figure: "p99" },
  { title: "p99.9", figure: "p99.9" },
  { title: "max", figure: "max" },
];

/**
 * The columns of a suite's table: those that its record names, if any result has them.
 * @param {import("./record.mjs").Suite} suite
 */
export function columnsOf(suite) {
  const known = suite.columns?.length ? suite.columns : USUAL;
  return known.filter(({ figure }) => suite.results.some(({ medians }) => medians?.[figure] !== undefined));
}

/** The part of all times that each figure bounds, %; what a latency is recorded by. */
export const PERCENTILES = {
  p1: 1,
  p10: 10,
  p25: 25,
  p50: 50,
  p75: 75,
  p90: 90,
  p95: 95,
  p99: 99,
  "p99.9": 99.9,
  "p99.99": 99.99,
};

/**
 * The distribution in a histogram of nanoseconds.
 * @param {import("node:perf_hooks").Histogram} histogram
 * @returns {Record<string, number>} p1 … p99.99 and max, and of how many `samples`
 */
export function distribution(histogram) {
  const percentiles = Object.entries(PERCENTILES).map(([name, percent]) => [
    name,
    histogram.percentile(percent),
  ]);
  return { ...Object.fromEntries(percentiles), max: histogram.max, samples: histogram.count };
}

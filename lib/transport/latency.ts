/**
 * How long messages waited, from when they were published until the other process took them. Only some messages are measured: each that
 * wakes a sleeping process, and of the others one for each eighth of the ring's capacity.
 */
export interface LatencyHistogram {
  /** The number of messages that were measured. */
  readonly samples: number;
  /** Percentiles in µs, near enough: a bucket is twice as wide as the one before, and within it they are estimated. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  /** Counts: below 128 ns, below 256 ns, and so on to 8.6 s. The last one has all that took longer. */
  readonly buckets: readonly number[];
}

/** The buckets of a histogram: the number of them, and the upper end of the first one, in ns. */
export const LATENCY_BUCKETS = 28;
export const FIRST_LATENCY = 128;

/** Returns the histogram of these counts, or undefined if nothing was measured. */
export function latencyOf(buckets: readonly number[]): LatencyHistogram | undefined {
  const samples = buckets.reduce((sum, count) => sum + count, 0);
  if (samples === 0) return undefined;
  const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => percentile(buckets, samples, share));
  return { samples, p50: p50!, p90: p90!, p99: p99!, buckets };
}

/** Returns the time (µs) within which this share of the messages was taken. In a bucket, times are taken to lie evenly on a logarithmic scale. */
function percentile(buckets: readonly number[], samples: number, share: number): number {
  let left = share * samples;
  for (const [at, count] of buckets.entries()) {
    if (count >= left && count > 0) {
      // The last bucket has no upper end: its lower one is all that is known.
      const part = at === LATENCY_BUCKETS - 1 ? 0 : left / count;
      return rounded((FIRST_LATENCY * 2 ** (at - 1 + part)) / 1000);
    }
    left -= count;
  }
  return rounded((FIRST_LATENCY * 2 ** (LATENCY_BUCKETS - 2)) / 1000);
}

/** Three digits: more would claim an accuracy that is not there. */
function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

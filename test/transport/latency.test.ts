import { describe, expect, it } from "vitest";
import { LATENCY_BUCKETS, latencyOf } from "../../lib/transport/latency.js";

/** Counts by bucket; the others are 0. */
function buckets(counts: Record<number, number>): number[] {
  return Array.from({ length: LATENCY_BUCKETS }, (_, i) => counts[i] ?? 0);
}

describe("a histogram of latency", () => {
  it("is none before anything was measured", () => {
    expect(latencyOf(buckets({}))).toBeUndefined();
  });

  it("estimates percentiles within the bucket where they lie", () => {
    // From 1024 to 2048 ns: the middle, on a logarithmic scale, is 1448.
    const one = latencyOf(buckets({ 4: 1000 }))!;
    expect(one).toMatchObject({ samples: 1000, p50: 1.45, p90: 1.91, p99: 2.03 });
    const two = latencyOf(buckets({ 4: 900, 20: 100 }))!;
    expect(two.p50).toBeLessThan(2.05);
    expect(two.p90).toBe(2.05);
    expect(two.p99).toBeGreaterThan(67_000);
  });

  it("knows of the last bucket only where it begins", () => {
    expect(latencyOf(buckets({ 27: 5 }))).toMatchObject({ p50: 8_590_000, p99: 8_590_000 });
  });
});

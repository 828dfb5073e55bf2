import { describe, expect, it } from "vitest";
import { type EndpointEntry, type Listing, Meter, type WayEntry } from "../../lib/watch/index.js";

const START = Date.parse("2026-01-01T00:00:00Z");

function way(messages: number, fields: Partial<WayEntry> = {}): WayEntry {
  return { messages, bytes: 10 * messages, fill: 0, stalled: false, latency: null, ...fields };
}

/** A histogram with these counts from the first bucket on. */
function latency(...counts: number[]) {
  const buckets = [...counts, ...new Array(28 - counts.length).fill(0)];
  return { samples: 1, p50: 0, p90: 0, p99: 0, buckets };
}

function endpoint(
  id: string,
  out: WayEntry,
  into: WayEntry,
  fields: Partial<EndpointEntry> = {},
): EndpointEntry {
  return {
    name: "prices",
    namespace: "default",
    path: "/run/prices.sock",
    state: "healthy",
    pid: 1,
    process: null,
    missing: [],
    role: null,
    since: null,
    channels: [
      {
        id,
        peer: { pid: 2, uid: 0, role: "agent" },
        transport: "shm",
        sharedBytes: 0,
        lanes: [
          {
            name: "main",
            capacity: 1000,
            out: { ...out, blockedSince: null, waiting: 0 },
            in: { ...into, idleSince: null },
          },
        ],
      },
    ],
    ...fields,
  };
}

function listing(seconds: number, ...endpoints: EndpointEntry[]): Listing {
  const time = new Date(START + 1000 * seconds).toISOString();
  return { directory: "/run", namespace: "default", time, endpoints, unreadable: [] };
}

describe("figures of two looks", () => {
  it("know no rate at the first look, and then messages and bytes a second, of each way and of the process", () => {
    const meter = new Meter();
    const first = meter.take(listing(0, endpoint("a", way(100), way(50))));
    expect(first.elapsed).toBeNull();
    expect(first.flows.map((flow) => flow.messagesPerSecond)).toEqual([null, null]);
    expect(first.processes[0]).toMatchObject({ messagesPerSecond: null, peers: 1 });
    const second = meter.take(listing(2, endpoint("a", way(300), way(60, { fill: 500, stalled: true }))));
    expect(second.elapsed).toBe(2000);
    expect(second.flows).toMatchObject([
      { way: "out", lane: "main", messagesPerSecond: 100, bytesPerSecond: 1000, fill: 0 },
      { way: "in", lane: "main", messagesPerSecond: 5, bytesPerSecond: 50, fill: 0.5, stalled: true },
    ]);
    expect(second.processes).toMatchObject([
      { messagesPerSecond: 105, bytesPerSecond: 1050, fill: 0.5, stalled: true },
    ]);
  });

  it("count a channel that came between two looks from its beginning, and forget one that has gone", () => {
    const meter = new Meter();
    meter.take(listing(0, endpoint("a", way(1000), way(1000))));
    const { flows } = meter.take(listing(1, endpoint("b", way(7), way(0))));
    expect(flows.map((flow) => flow.messagesPerSecond)).toEqual([7, 0]);
  });

  it("compare an endpoint that did not answer with its last answer", () => {
    const meter = new Meter();
    meter.take(listing(0, endpoint("a", way(1000), way(0))));
    const silent = meter.take(
      listing(1, endpoint("a", way(0), way(0), { state: "blocked", channels: null })),
    );
    expect(silent.processes[0]).toMatchObject({ state: "blocked", messagesPerSecond: 0, peers: 0 });
    const { flows } = meter.take(listing(2, endpoint("a", way(1010), way(0))));
    expect(flows[0]!.messagesPerSecond).toBe(10);
  });

  it("never go below zero, whatever an endpoint says", () => {
    const meter = new Meter();
    meter.take(listing(0, endpoint("a", way(1000, { latency: latency(5, 5) }), way(0))));
    const { flows } = meter.take(listing(1, endpoint("a", way(3, { latency: latency(1, 5) }), way(0))));
    expect(flows[0]).toMatchObject({ messagesPerSecond: 0, bytesPerSecond: 0, latency: null });
  });

  it("tell the latency of messages since the look before, and of a process over all its lanes (S1.36)", () => {
    const meter = new Meter();
    meter.take(listing(0, endpoint("a", way(1, { latency: latency(1000) }), way(0))));
    const after = way(2, { latency: latency(1000, 0, 0, 10) });
    const { flows, processes } = meter.take(
      listing(1, endpoint("a", after, way(1, { latency: latency(10) }))),
    );
    // The fourth bucket reaches from 512 ns to 1024 ns.
    expect(flows[0]!.latency).toMatchObject({ samples: 10, p50: 0.724 });
    expect(processes[0]!.latency).toMatchObject({ samples: 20 });
    expect(processes[0]!.latency!.p50).toBeLessThanOrEqual(0.128);
  });
});

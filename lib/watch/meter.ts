import { type LatencyHistogram, latencyOf } from "../transport/latency.js";
import type { ChannelEntry, EndpointEntry, LaneEntry, Listing, WayEntry } from "./listing.js";

/** What goes on in a lane, or in all lanes of a process. */
export interface Load {
  /** Since the look before; null at the first look. */
  readonly messagesPerSecond: number | null;
  readonly bytesPerSecond: number | null;
  /** Of messages that were taken since the look before; at the first look, and in `total`, of all. Null if none was measured. */
  readonly latency: LatencyHistogram | null;
  /** The fullest ring of it, as a part of its capacity, 0 to 1. */
  readonly fill: number;
  /** Whether a message waits, and has waited for more than a second. */
  readonly stalled: boolean;
}

/** One direction of a lane. */
export interface Flow extends Load {
  /** Names it from look to look. */
  readonly key: string;
  readonly endpoint: string;
  readonly namespace: string;
  readonly pid: number | null;
  readonly role: string | null;
  readonly peer: ChannelEntry["peer"];
  readonly transport: string;
  readonly lane: string;
  /** `out`: from the endpoint to the peer. */
  readonly way: "out" | "in";
  readonly capacity: number;
  /** What has gone since the channel was made. */
  readonly total: WayEntry;
  /** Out: since when a send has found no room. */
  readonly blockedSince: string | null;
  /** Out: the sends that wait for room. */
  readonly waiting: number;
  /** In: since when nothing was taken. */
  readonly idleSince: string | null;
}

/** An endpoint, and all that goes over its channels, both ways. */
export interface ProcessLoad extends Load {
  readonly key: string;
  readonly endpoint: string;
  readonly namespace: string;
  readonly state: EndpointEntry["state"];
  readonly pid: number | null;
  readonly role: string | null;
  readonly since: string | null;
  readonly peers: number;
}

export interface Figures {
  readonly time: string;
  /** The time (ms) since the look before; null at the first look. */
  readonly elapsed: number | null;
  readonly processes: readonly ProcessLoad[];
  readonly flows: readonly Flow[];
}

/** Makes rates of listings, each of which is compared with the one before. */
export class Meter {
  #before = new Map<string, WayEntry>();
  #time: number | undefined;

  take(listing: Listing): Figures {
    const now = Date.parse(listing.time);
    const elapsed = this.#time === undefined ? null : Math.max(1, now - this.#time);
    this.#time = now;
    const after = new Map<string, WayEntry>();
    const flows: Flow[] = [];
    const processes = listing.endpoints.map((endpoint) => {
      const own = flowsOf(endpoint, (key, way) => {
        after.set(key, way);
        return rates(way, this.#before.get(key), elapsed);
      });
      flows.push(...own);
      return processLoad(endpoint, own);
    });
    // An endpoint that does not answer this time is compared with its last answer when it does.
    for (const { path, state } of listing.endpoints) {
      if (state !== "blocked") continue;
      for (const [key, way] of this.#before) if (key.startsWith(`${path} `)) after.set(key, way);
    }
    this.#before = after;
    return { time: listing.time, elapsed, processes, flows };
  }
}

type Rates = Pick<Load, "messagesPerSecond" | "bytesPerSecond" | "latency">;

function rates(now: WayEntry, before: WayEntry | undefined, elapsed: number | null): Rates {
  if (before === undefined && elapsed === null) {
    return { messagesPerSecond: null, bytesPerSecond: null, latency: now.latency };
  }
  // A lane that was not there before has begun within this time.
  const perSecond = (what: "messages" | "bytes") =>
    (Math.max(0, now[what] - (before?.[what] ?? 0)) * 1000) / elapsed!;
  return {
    messagesPerSecond: perSecond("messages"),
    bytesPerSecond: perSecond("bytes"),
    latency: difference(now.latency, before?.latency),
  };
}

function difference(
  now: LatencyHistogram | null,
  before: LatencyHistogram | null | undefined,
): LatencyHistogram | null {
  if (now === null || before === null || before === undefined) return now;
  return latencyOf(now.buckets.map((count, i) => Math.max(0, count - before.buckets[i]!))) ?? null;
}

function flowsOf(endpoint: EndpointEntry, ratesOf: (key: string, way: WayEntry) => Rates): Flow[] {
  const flows: Flow[] = [];
  for (const [at, channel] of (endpoint.channels ?? []).entries()) {
    for (const lane of channel.lanes) {
      for (const way of ["out", "in"] as const) {
        const key = `${endpoint.path} ${channel.id ?? at} ${lane.name} ${way}`;
        flows.push({ ...ratesOf(key, lane[way]), ...describe(endpoint, channel, lane, way), key });
      }
    }
  }
  return flows;
}

function describe(endpoint: EndpointEntry, channel: ChannelEntry, lane: LaneEntry, way: "out" | "in") {
  return {
    endpoint: endpoint.name,
    namespace: endpoint.namespace,
    pid: endpoint.pid,
    role: endpoint.role,
    peer: channel.peer,
    transport: channel.transport,
    lane: lane.name,
    way,
    capacity: lane.capacity,
    total: lane[way],
    fill: lane.capacity > 0 ? Math.min(1, lane[way].fill / lane.capacity) : 0,
    stalled: lane[way].stalled,
    blockedSince: way === "out" ? lane.out.blockedSince : null,
    waiting: way === "out" ? lane.out.waiting : 0,
    idleSince: way === "in" ? lane.in.idleSince : null,
  };
}

function processLoad(endpoint: EndpointEntry, flows: readonly Flow[]): ProcessLoad {
  const sum = (of: (flow: Flow) => number | null) =>
    flows.reduce<number | null>((total, flow) => add(total, of(flow)), flows.length === 0 ? 0 : null);
  return {
    key: endpoint.path,
    endpoint: endpoint.name,
    namespace: endpoint.namespace,
    state: endpoint.state,
    pid: endpoint.pid,
    role: endpoint.role,
    since: endpoint.since,
    peers: endpoint.channels?.length ?? 0,
    messagesPerSecond: sum((flow) => flow.messagesPerSecond),
    bytesPerSecond: sum((flow) => flow.bytesPerSecond),
    latency: together(flows.map((flow) => flow.latency)),
    fill: flows.reduce((most, flow) => Math.max(most, flow.fill), 0),
    stalled: flows.some((flow) => flow.stalled),
  };
}

function add(total: number | null, value: number | null): number | null {
  return value === null ? total : (total ?? 0) + value;
}

/** Returns one histogram of several. */
function together(histograms: readonly (LatencyHistogram | null)[]): LatencyHistogram | null {
  const known = histograms.filter((histogram) => histogram !== null);
  if (known.length === 0) return null;
  return (
    latencyOf(known[0]!.buckets.map((_, i) => known.reduce((sum, { buckets }) => sum + buckets[i]!, 0))) ??
    null
  );
}

import { existsSync, readFileSync } from "node:fs";
import { wallClock } from "../clock.js";
import { LATENCY_BUCKETS, type LatencyHistogram, latencyOf } from "../transport/latency.js";
import { isAliveIn, isOurSpace } from "../transport/places/identity.js";
import { addressIn, type ResolvedPlace } from "../transport/places/names.js";
import {
  type EndpointInfo,
  type EndpointState,
  type EndpointStatus,
  endpoints,
} from "../transport/places/status.js";
import { everyPlace, namesIn } from "../transport/places/sweep.js";

/** What to look at. */
export interface Look {
  readonly place: ResolvedPlace;
  /** Whether to look into all namespaces of the directory. */
  readonly everyNamespace: boolean;
  /** How long an endpoint may take to answer, in ms. */
  readonly timeout: number;
}

/**
 * Asks all endpoints of a place how they are, at the same time. Each answers from its event loop, with counters that it has anyway;
 * nothing on the way of a message waits for that.
 */
export async function look({ place, everyNamespace, timeout }: Look): Promise<Listing> {
  const infos = await endpoints({
    namespace: place.namespace,
    // The directory is passed only if it was given: it is held to other rules than the user's own.
    ...(place.given ? { directory: place.base } : {}),
    everyNamespace,
    timeout,
  });
  const now = wallClock();
  return {
    directory: place.base,
    namespace: everyNamespace ? null : place.namespace,
    time: new Date(now).toISOString(),
    endpoints: infos.map((info) => listEndpoint(info, now)).sort(byPlace),
    unreadable: unreadable(everyNamespace ? everyPlace(place) : [place], infos),
  };
}

function byPlace(a: EndpointEntry, b: EndpointEntry): number {
  return a.namespace < b.namespace ? -1 : a.namespace > b.namespace ? 1 : a.name < b.name ? -1 : 1;
}

/** Returns the sockets that exist and are not in the answer: those of other users, which we may not ask. */
function unreadable(places: readonly ResolvedPlace[], infos: readonly EndpointInfo[]): string[] {
  const known = new Set(infos.map(({ path }) => path));
  return places
    .flatMap((place) => namesIn(place).map((name) => addressIn(place, name).socketPath))
    .filter((path) => !known.has(path) && existsSync(path));
}

/** What all endpoints have answered. Times are ISO 8601 in UTC, sizes are in bytes. Unknown values are null. */
export interface Listing {
  readonly directory: string;
  /** Null: all namespaces. */
  readonly namespace: string | null;
  readonly time: string;
  readonly endpoints: readonly EndpointEntry[];
  /** Sockets that we have no permission to ask. */
  readonly unreadable: readonly string[];
}

export interface EndpointEntry {
  readonly name: string;
  readonly namespace: string;
  readonly path: string;
  readonly state: EndpointState;
  readonly pid: number | null;
  /** The state of the process, from the operating system, if the endpoint does not answer. */
  readonly process: "running" | "sleeping" | "waiting" | "stopped" | null;
  /** The paths of its files that were taken away. */
  readonly missing: readonly string[];
  readonly role: string | null;
  readonly since: string | null;
  /** Null unless the endpoint is healthy. */
  readonly channels: readonly ChannelEntry[] | null;
}

export interface ChannelEntry {
  /** Names the connection; null if the endpoint does not say. */
  readonly id: string | null;
  readonly peer: { readonly pid: number | null; readonly uid: number | null; readonly role: string | null };
  readonly transport: string;
  readonly sharedBytes: number;
  readonly lanes: readonly LaneEntry[];
}

export interface LaneEntry {
  readonly name: string;
  readonly capacity: number;
  /** From the endpoint to the peer. */
  readonly out: WayEntry & {
    readonly blockedSince: string | null;
    /** Sends that wait for room. */
    readonly waiting: number;
  };
  /** From the peer to the endpoint. */
  readonly in: WayEntry & { readonly idleSince: string | null };
}

export interface WayEntry {
  readonly messages: number;
  readonly bytes: number;
  /** The bytes sent and not taken, headers included. */
  readonly fill: number;
  /**
   * Whether a message has been waiting for more than a second without progress. For incoming messages also
   * whether the ring is nearly full.
   */
  readonly stalled: boolean;
  /** How long messages waited until they were taken; null if nothing was measured. */
  readonly latency: LatencyHistogram | null;
}

/** How long (ms) a message must have been waiting to count as stalled. */
const STALLED = 1000;
/** The filled part of a ring that means it has not been read for some time. */
const FULL = 0.9;

/**
 * Brings the answer of an endpoint into the shape of the listing. The answer comes from another process,
 * maybe of another version, so every field is checked.
 */
export function listEndpoint(info: EndpointInfo, now: number): EndpointEntry {
  const { status, record } = info;
  return {
    name: info.name,
    namespace: info.namespace ?? "",
    path: info.path,
    state: info.state,
    pid: info.pid ?? null,
    process: info.state === "blocked" ? processState(info) : null,
    missing: info.missing,
    role: textOf(status?.role ?? record?.role),
    since: textOf(status?.created ?? record?.created),
    channels:
      status === undefined ? null : status.channels.map((channel) => listChannel(channel, status, now)),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function listChannel(channel: unknown, { space }: EndpointStatus, now: number): ChannelEntry {
  const { peer, stats } = fieldsOf(channel);
  const { id, pid, uid, role } = fieldsOf(peer);
  const { transport, sharedBytes, lanes } = fieldsOf(stats);
  return {
    id: textOf(id),
    // The endpoint knows its peers by pids of its own namespace.
    peer: {
      pid: space === undefined || isOurSpace(space) ? numberOf(pid) || null : null,
      uid: idOf(uid),
      role: textOf(role),
    },
    transport: textOf(transport) ?? "?",
    sharedBytes: numberOf(sharedBytes),
    lanes: Array.isArray(lanes) ? lanes.map((lane) => listLane(fieldsOf(lane), now)) : [],
  };
}

function listLane(lane: Fields, now: number): LaneEntry {
  const capacity = numberOf(lane.capacity);
  const [sendFill, receiveFill] = [numberOf(lane.sendFill), numberOf(lane.receiveFill)];
  const [blocked, idle] = [timeOf(lane.blockedSince), timeOf(lane.idleSince)];
  return {
    name: textOf(lane.name) ?? "?",
    capacity,
    out: {
      messages: numberOf(lane.sentMessages),
      bytes: numberOf(lane.sentBytes),
      fill: sendFill,
      latency: histogramOf(lane.sendLatency),
      stalled: blocked !== undefined && now - blocked > STALLED,
      blockedSince: iso(blocked),
      waiting: numberOf(lane.waitingSends),
    },
    in: {
      messages: numberOf(lane.receivedMessages),
      bytes: numberOf(lane.receivedBytes),
      fill: receiveFill,
      latency: histogramOf(lane.receiveLatency),
      // `idle` shows for how long no record was taken. A ring that is nearly full counts as stalled even
      // without it.
      stalled:
        receiveFill > 0 && ((idle !== undefined && now - idle > STALLED) || receiveFill >= FULL * capacity),
      idleSince: iso(idle),
    },
  };
}

/** Returns what a process that does not answer is doing. Known only on Linux, and only if its pid is valid in our space. */
function processState({ record }: EndpointInfo): EndpointEntry["process"] {
  if (process.platform !== "linux" || record === undefined) return null;
  if (isAliveIn(record) !== true) return null;
  try {
    const stat = readFileSync(`/proc/${record.pid}/stat`, "latin1");
    switch (stat.slice(stat.lastIndexOf(")") + 2)[0]) {
      case "R":
        return "running";
      case "S":
        return "sleeping";
      case "D":
        return "waiting";
      case "T":
      case "t":
        return "stopped";
      default:
        return null;
    }
  } catch {
    return null;
  }
}

/** Reads a histogram. The percentiles are made anew of the counts. */
function histogramOf(value: unknown): LatencyHistogram | null {
  const { buckets } = fieldsOf(value);
  if (!Array.isArray(buckets) || buckets.length !== LATENCY_BUCKETS) return null;
  return latencyOf(buckets.map((count) => Math.max(0, numberOf(count)))) ?? null;
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

/** Reads a user id; -1 stands for "not known". */
function idOf(value: unknown): number | null {
  return typeof value === "number" && value >= 0 ? value : null;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** Reads milliseconds since the epoch; 0 and invalid dates become undefined. */
function timeOf(value: unknown): number | undefined {
  return typeof value === "number" && value > 0 && value < 8.64e15 ? value : undefined;
}

function iso(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}

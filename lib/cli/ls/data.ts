import { readFileSync } from "node:fs";
import { isAliveIn, isOurSpace } from "../../transport/places/identity.js";
import type { EndpointInfo, EndpointState, EndpointStatus } from "../../transport/places/status.js";

/** The listing that `ringbell ls --json` prints. Times are ISO 8601 in UTC, sizes are in bytes. Unknown values are null. */
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
  const { pid, uid, role } = fieldsOf(peer);
  const { transport, sharedBytes, lanes } = fieldsOf(stats);
  return {
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
      stalled: blocked !== undefined && now - blocked > STALLED,
      blockedSince: iso(blocked),
      waiting: numberOf(lane.waitingSends),
    },
    in: {
      messages: numberOf(lane.receivedMessages),
      bytes: numberOf(lane.receivedBytes),
      fill: receiveFill,
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

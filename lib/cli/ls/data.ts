import { readFileSync } from "node:fs";
import { isAlive, pidSpace } from "../../transport/places/identity.js";
import type { EndpointInfo, EndpointState } from "../../transport/places/status.js";

/** What `ringbell ls --json` prints. Times are ISO 8601 in UTC, sizes bytes; what is not known is null. */
export interface Listing {
  readonly directory: string;
  /** Null: all of them. */
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
  /** What the operating system says of the process of one that does not answer. */
  readonly process: "running" | "sleeping" | "waiting" | "stopped" | null;
  readonly role: string | null;
  readonly since: string | null;
  /** Null unless it is healthy. */
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
  /** Bytes sent and not taken, headers included. */
  readonly fill: number;
  /** Whether something has been waiting for more than a second without getting on; of what comes in, also whether the ring is all but full. */
  readonly stalled: boolean;
}

/** How long (ms) something must have been waiting to be called stalled. */
const STALLED = 1000;
/** The part of a ring that is not filled in passing. */
const FULL = 0.9;

/** What an endpoint answered, in the shape of the listing. An answer comes from another process, maybe of another version: nothing in it is taken for granted. */
export function listEndpoint(info: EndpointInfo, now: number): EndpointEntry {
  const { status, record } = info;
  return {
    name: info.name,
    namespace: info.namespace ?? "",
    path: info.path,
    state: info.state,
    pid: info.pid ?? null,
    process: info.state === "blocked" ? processState(info) : null,
    role: textOf(status?.role ?? record?.role),
    since: textOf(status?.created ?? record?.created),
    channels: status === undefined ? null : status.channels.map((channel) => listChannel(channel, now)),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function listChannel(channel: unknown, now: number): ChannelEntry {
  const { peer, stats } = fieldsOf(channel);
  const { pid, uid, role } = fieldsOf(peer);
  const { transport, sharedBytes, lanes } = fieldsOf(stats);
  return {
    peer: { pid: numberOf(pid) || null, uid: idOf(uid), role: textOf(role) },
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
      // Something lies there, and for so long nobody has come for it; or so much that it must have been so.
      stalled:
        receiveFill > 0 && ((idle !== undefined && now - idle > STALLED) || receiveFill >= FULL * capacity),
      idleSince: iso(idle),
    },
  };
}

/** What a process that does not answer does instead. Only on Linux, and only where its pid means something to us. */
function processState({ record }: EndpointInfo): EndpointEntry["process"] {
  if (process.platform !== "linux" || record === undefined) return null;
  if (record.space !== pidSpace() || !isAlive(record)) return null;
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

/** A user id; -1 stands for "not known". */
function idOf(value: unknown): number | null {
  return typeof value === "number" && value >= 0 ? value : null;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** Milliseconds since the epoch; 0 and what is no date is none. */
function timeOf(value: unknown): number | undefined {
  return typeof value === "number" && value > 0 && value < 8.64e15 ? value : undefined;
}

function iso(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}

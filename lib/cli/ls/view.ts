import type { ChannelEntry, EndpointEntry, LaneEntry, Listing, WayEntry } from "../../watch/index.js";
import type { Output } from "../command.js";
import { bytes, count, duration, plural, safe } from "../format.js";
import type { Style } from "../style.js";
import { type Column, table, wrap } from "../table.js";

const BAR = 8;
/** The states of endpoints, in words for people. */
export const STATES = { healthy: "healthy", blocked: "not answering", lost: "lost", dead: "dead" } as const;

/** Makes the listing for people: a table of endpoints, a table for each endpoint with peers, and the problems. */
export function showListing(listing: Listing, output: Output): string[] {
  const { style, width } = output;
  const where = listing.namespace === null ? "" : ` (namespace ${listing.namespace})`;
  if (listing.endpoints.length === 0 && listing.unreadable.length === 0) {
    const hint = listing.namespace === null ? "" : " --all looks into all namespaces.";
    return wrap(`No endpoints in ${listing.directory}${where}.${hint}`, width);
  }
  const now = Date.parse(listing.time);
  const lines = endpointTable(listing, now, output);
  for (const endpoint of listing.endpoints) {
    if (endpoint.channels === null || endpoint.channels.length === 0) continue;
    const title = `${qualified(endpoint, listing)}${style.dim(`${pidOf(endpoint)} and its peers`)}`;
    lines.push("", title, ...channelTable(endpoint.channels, now, output));
  }
  const notes = notesOf(listing, now);
  if (notes.length > 0) lines.push("");
  for (const note of notes) {
    const [first, ...rest] = wrap(note, width === undefined ? undefined : width - 2);
    lines.push(`${style.bad("!")} ${first}`, ...rest.map((line) => `  ${line}`));
  }
  lines.push(
    "",
    ...wrap(`${summary(listing.endpoints)} in ${listing.directory}${where}`, width).map(style.dim),
  );
  return lines;
}

function endpointTable(listing: Listing, now: number, { style, width }: Output): string[] {
  const columns: Column[] = [
    { title: "NAMESPACE", least: 12 },
    { title: "ENDPOINT", least: 16 },
    { title: "STATE" },
    { title: "PID", align: "right" },
    { title: "ROLE", least: 8 },
    { title: "UP", align: "right" },
    { title: "PEERS", align: "right" },
  ];
  const rows = listing.endpoints.map((endpoint) => [
    listing.namespace === null ? endpoint.namespace : "",
    endpoint.name,
    STATES[endpoint.state],
    endpoint.pid === null ? "-" : String(endpoint.pid),
    endpoint.role === null ? "-" : safe(endpoint.role),
    endpoint.state === "dead" ? "-" : since(endpoint.since, now),
    endpoint.channels === null ? "-" : String(endpoint.channels.length),
  ]);
  const paint = (text: string, row: number, column: number): string => {
    if (column === 1) return style.strong(text);
    return column === 2 ? paintState(style, listing.endpoints[row]!)(text) : text;
  };
  return table(columns, rows, { width, title: style.dim, paint });
}

function paintState(style: Style, { state }: EndpointEntry): (text: string) => string {
  return state === "healthy" ? style.good : state === "dead" ? style.warn : style.bad;
}

function channelTable(channels: readonly ChannelEntry[], now: number, { style, width }: Output): string[] {
  const columns: Column[] = [
    { title: "PEER", align: "right" },
    { title: "ROLE", least: 6 },
    { title: "VIA" },
    { title: "LANE", least: 6 },
    { title: "WAY" },
    { title: "FILL" },
    { title: "OF", align: "right" },
    { title: "MSGS", align: "right" },
    { title: "STATE", least: 12 },
  ];
  const rows: string[][] = [];
  const ways: WayEntry[] = [];
  for (const { peer, transport, lanes } of channels) {
    for (const [at, lane] of lanes.entries()) {
      const head =
        at > 0
          ? ["", "", ""]
          : [peer.pid === null ? "?" : String(peer.pid), safe(peer.role ?? "-"), safe(transport)];
      rows.push([...head, safe(lane.name), "out", ...fillCells(lane.out, lane), stateOut(lane, now)]);
      rows.push(["", "", "", "", "in", ...fillCells(lane.in, lane), stateIn(lane, now)]);
      ways.push(lane.out, lane.in);
    }
  }
  const paint = (text: string, row: number, column: number): string => {
    const way = ways[row]!;
    if (way.stalled && column >= 5) return style.bad(text);
    return column === 8 && text.startsWith("idle") ? style.dim(text) : text;
  };
  return table(columns, rows, { indent: 2, width, title: style.dim, paint });
}

function fillCells({ fill, messages }: WayEntry, { capacity }: LaneEntry): string[] {
  const part = capacity > 0 ? Math.min(1, fill / capacity) : 0;
  // The bar shows at least one mark unless the ring is empty, and all marks only if it is full.
  const marks = part === 0 ? 0 : Math.max(1, Math.floor(part * BAR));
  const percent = part === 0 ? 0 : Math.max(1, Math.floor(part * 100));
  const bar = "#".repeat(marks) + ".".repeat(BAR - marks);
  return [`${bar} ${String(percent).padStart(3)}%`, bytes(capacity), count(messages)];
}

export function stateOut({ out }: Pick<LaneEntry, "out">, now: number): string {
  if (out.blockedSince !== null) {
    return `${out.stalled ? "BLOCKED" : "blocked"} ${since(out.blockedSince, now)}`;
  }
  return out.fill > 0 ? "under way" : "empty";
}

export function stateIn(lane: Pick<LaneEntry, "in">, now: number): string {
  const idle = lane.in.idleSince === null ? "" : ` ${since(lane.in.idleSince, now)}`;
  if (lane.in.fill > 0) return lane.in.stalled ? `UNREAD${idle}` : "unread";
  return idle === "" ? "active" : `idle${idle}`;
}

/** Returns the problems that need attention, most urgent first. */
function notesOf(listing: Listing, now: number): string[] {
  const stalled: string[] = [];
  const blocked: string[] = [];
  const lost: string[] = [];
  for (const endpoint of listing.endpoints) {
    const name = qualified(endpoint, listing);
    for (const { peer, lanes } of endpoint.channels ?? []) {
      const who = `peer ${peer.pid ?? "?"}${peer.role === null ? "" : ` (${safe(peer.role)})`}`;
      for (const lane of lanes) {
        const path = `lane ${safe(lane.name)}`;
        if (lane.out.stalled) {
          stalled.push(
            `${name} has been blocked for ${since(lane.out.blockedSince, now)} on ${path}: ${who} does not read it ` +
              `(${bytes(lane.out.fill)} unread, ${plural(lane.out.waiting, "send")} waiting).`,
          );
        }
        if (lane.in.stalled) {
          stalled.push(
            `${name} has not read ${path}${lane.in.idleSince === null ? "" : ` for ${since(lane.in.idleSince, now)}`}: ` +
              `${bytes(lane.in.fill)} of ${who} are waiting.`,
          );
        }
      }
    }
    if (endpoint.state === "blocked") blocked.push(notAnswering(endpoint, name));
    if (endpoint.missing.length > 0) lost.push(filesLost(endpoint, name));
  }
  const dead = listing.endpoints.filter(({ state }) => state === "dead").length;
  return [
    ...blocked,
    ...lost,
    ...stalled,
    ...(dead === 0
      ? []
      : [`${plural(dead, "dead endpoint")}: the process has gone. ringbell gc removes what is left.`]),
    ...listing.unreadable.map((path) => `${safe(path)}: no permission to ask it.`),
  ];
}

const DOING = {
  running: "it is computing: something keeps its event loop from turning",
  sleeping: "it sleeps in a call that blocks its event loop",
  waiting: "it waits for the disk or a device",
  stopped: "it is stopped, by a signal or a debugger (kill -CONT lets it go on)",
} as const;

function notAnswering(endpoint: EndpointEntry, name: string): string {
  const doing = endpoint.process === null ? "its event loop is blocked" : DOING[endpoint.process];
  return `${name}${pidOf(endpoint)} does not answer; ${doing}.`;
}

function filesLost(endpoint: EndpointEntry, name: string): string {
  const effect = endpoint.state === "lost" ? "nobody can connect" : "peers can still connect";
  const files = endpoint.missing.map(safe).join(" and ");
  return `${name}${pidOf(endpoint)} listens, but ${files} was taken away: ${effect}. server.rebind() in that process makes it anew.`;
}

function pidOf({ pid }: EndpointEntry): string {
  return pid === null ? "" : ` (pid ${pid})`;
}

function summary(endpoints: readonly EndpointEntry[]): string {
  const parts = (["healthy", "blocked", "lost", "dead"] as const).flatMap((state) => {
    const number = endpoints.filter((endpoint) => endpoint.state === state).length;
    return number === 0 ? [] : [`${number} ${STATES[state]}`];
  });
  return `${plural(endpoints.length, "endpoint")}${parts.length === 0 ? "" : ` (${parts.join(", ")})`}`;
}

function qualified({ namespace, name }: EndpointEntry, listing: Listing): string {
  return listing.namespace === null ? `${namespace}/${name}` : name;
}

function since(time: string | null, now: number): string {
  const from = time === null ? Number.NaN : Date.parse(time);
  return Number.isNaN(from) ? "?" : duration(now - from);
}

import type { Figures, Flow, ProcessLoad } from "../../watch/index.js";
import { bytes, count, duration, latency, plural, rate, rateOfBytes, safe } from "../format.js";
import { STATES } from "../ls/view.js";
import type { Style } from "../style.js";
import { wrap } from "../table.js";
import type { Row } from "./state.js";

interface Space {
  readonly style: Style;
  readonly width: number;
}

/** Returns the lines about one row: all figures of a lane with its histogram, or the lanes of a process. */
export function detail(row: Row, figures: Figures, space: Space): string[] {
  return "way" in row ? laneDetail(row, figures, space) : processDetail(row, figures, space);
}

function laneDetail(flow: Flow, figures: Figures, space: Space): string[] {
  const { style } = space;
  const { total, peer } = flow;
  const now = Date.parse(figures.time);
  const endpoint = `${flow.endpoint} (pid ${flow.pid ?? "?"})`;
  const other = `peer ${peer.pid ?? "?"}${peer.role === null ? "" : ` (${safe(peer.role)})`}`;
  const ends = flow.way === "out" ? `${endpoint} → ${other}` : `${other} → ${endpoint}`;
  const percent = flow.fill === 0 ? 0 : Math.max(1, Math.floor(flow.fill * 100));
  const wait =
    flow.blockedSince !== null
      ? `blocked for ${duration(now - Date.parse(flow.blockedSince))}, ${plural(flow.waiting, "send")} waiting`
      : flow.idleSince !== null
        ? `nothing taken for ${duration(now - Date.parse(flow.idleSince))}`
        : "";
  return [
    `${style.strong(`lane ${safe(flow.lane)}`)}: ${ends}, over ${safe(flow.transport)}`,
    "",
    `now    ${perSecond(flow)}`,
    `total  ${count(total.messages)} messages, ${bytes(total.bytes)}${total.messages === 0 ? "" : `, ${bytes(Math.round(total.bytes / total.messages))} each`}`,
    `ring   ${bytes(total.fill)} of ${bytes(flow.capacity)} (${percent}%)${wait === "" ? "" : `, ${flow.stalled ? style.bad(wait) : wait}`}`,
    "",
    ...histogram(flow, space),
  ];
}

function perSecond({ messagesPerSecond, bytesPerSecond }: Row): string {
  if (messagesPerSecond === null || bytesPerSecond === null) return "-";
  return `${rate(messagesPerSecond)} messages/s, ${rateOfBytes(bytesPerSecond)}`;
}

/** The buckets of all messages that were measured, from the first to the last that has any. */
function histogram({ total, transport, latency: recent }: Flow, { style, width }: Space): string[] {
  const all = total.latency;
  if (all === null) {
    const why = transport === "stream" ? "is measured over shared memory only" : "has not been measured yet";
    return [style.dim(`latency ${why}`)];
  }
  const last = recent === null ? "" : `; lately ${three(recent)}`;
  const first = all.buckets.findIndex((n) => n > 0);
  const end = all.buckets.reduce((last, n, i) => (n > 0 ? i : last), first);
  const most = Math.max(...all.buckets);
  const room = Math.max(10, Math.min(60, width - 24));
  const bars = all.buckets.slice(first, end + 1).map((n, i) => {
    const below = (128 * 2 ** (first + i)) / 1000;
    const open = first + i === all.buckets.length - 1;
    const marks = n === 0 ? 0 : Math.max(1, Math.round((n / most) * room));
    const label = open ? `≥ ${latency(below / 2)}` : `< ${latency(below)}`;
    return `${label.padStart(10)}  ${"#".repeat(marks)}${n === 0 ? "" : ` ${count(n)}`}`;
  });
  return [
    ...wrap(`latency until taken, of ${count(all.samples)} messages measured: ${three(all)}${last}`, width),
    ...bars,
  ];
}

function three({
  p50,
  p90,
  p99,
}: {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}): string {
  return `p50 ${latency(p50)}, p90 ${latency(p90)}, p99 ${latency(p99)}`;
}

function processDetail(process: ProcessLoad, figures: Figures, { style }: Space): string[] {
  const lanes = figures.flows.filter((flow) => flow.key.startsWith(`${process.key} `));
  return [
    `${style.strong(process.endpoint)} (pid ${process.pid ?? "?"}): ${STATES[process.state]}, ${plural(process.peers, "peer")}`,
    "",
    `socket ${safe(process.key)}`,
    `now    ${perSecond(process)}`,
    "",
    ...[...lanes]
      .sort((a, b) => (b.messagesPerSecond ?? 0) - (a.messagesPerSecond ?? 0))
      .map(
        (flow) =>
          `${String(flow.peer.pid ?? "?").padStart(8)}  ${flow.way.padEnd(3)}  ${safe(flow.lane)}: ${perSecond(flow)}, ${bytes(flow.total.fill)} in the ring`,
      ),
  ];
}

import type { Flow, ProcessLoad } from "../../watch/index.js";
import { bytes, count, duration, latency, rate, safe } from "../format.js";
import { STATES, stateIn, stateOut } from "../ls/view.js";
import type { Column } from "../table.js";
import type { Choice, Row, Sort } from "./state.js";

/** A column: its title, and the cells of a lane and of a process. */
export interface Field extends Column {
  readonly sort?: Sort;
  /** Shown only where there is much room. */
  readonly wide?: true;
  /** Shown only where there is not. */
  readonly narrow?: true;
  readonly flow: (flow: Flow, now: number) => string;
  readonly process: (process: ProcessLoad, now: number) => string;
}

const none = () => "";
const FIELDS: readonly Field[] = [
  { title: "ENDPOINT", least: 8, sort: "n", flow: nameOf, process: nameOf },
  { title: "PID", align: "right", wide: true, flow: pidOf, process: pidOf },
  {
    title: "PEER",
    least: 5,
    narrow: true,
    flow: ({ peer }) => safe(peer.role ?? pidOf(peer)),
    process: none,
  },
  { title: "PEER", align: "right", wide: true, flow: ({ peer }) => pidOf(peer), process: none },
  {
    title: "ROLE",
    least: 5,
    wide: true,
    flow: ({ peer }) => textOf(peer.role),
    process: ({ role }) => textOf(role),
  },
  { title: "VIA", wide: true, flow: ({ transport }) => safe(transport), process: none },
  { title: "LANE", least: 4, flow: ({ lane }) => safe(lane), process: none },
  { title: "WAY", flow: ({ way }) => way, process: none },
  { title: "PEERS", align: "right", flow: none, process: ({ peers }) => String(peers) },
  { title: "MSG/S", align: "right", sort: "m", flow: messagesOf, process: messagesOf },
  { title: "BYTES/S", align: "right", sort: "b", flow: bytesOf, process: bytesOf },
  { title: "FILL", align: "right", sort: "f", flow: fillOf, process: fillOf },
  { title: "OF", align: "right", wide: true, flow: ({ capacity }) => bytes(capacity), process: none },
  {
    title: "P50",
    align: "right",
    flow: ({ latency: l }) => latency(l?.p50),
    process: ({ latency: l }) => latency(l?.p50),
  },
  {
    title: "P90",
    align: "right",
    wide: true,
    flow: ({ latency: l }) => latency(l?.p90),
    process: ({ latency: l }) => latency(l?.p90),
  },
  {
    title: "P99",
    align: "right",
    sort: "l",
    flow: ({ latency: l }) => latency(l?.p99),
    process: ({ latency: l }) => latency(l?.p99),
  },
  { title: "MSGS", align: "right", wide: true, flow: ({ total }) => count(total.messages), process: none },
  { title: "TOTAL", align: "right", wide: true, flow: ({ total }) => bytes(total.bytes), process: none },
  {
    title: "UP",
    align: "right",
    flow: none,
    process: ({ since, state }, now) =>
      since === null || state === "dead" ? "-" : duration(now - Date.parse(since)),
  },
  { title: "STATE", least: 8, flow: stateOf, process: ({ state }) => STATES[state] },
];

function nameOf({ namespace, endpoint }: Row): string {
  return namespace === "default" || namespace === "" ? endpoint : `${namespace}/${endpoint}`;
}

function pidOf({ pid }: { readonly pid: number | null }): string {
  return pid === null ? "?" : String(pid);
}

function textOf(role: string | null): string {
  return role === null ? "-" : safe(role);
}

function messagesOf({ messagesPerSecond }: Row): string {
  return messagesPerSecond === null ? "-" : rate(messagesPerSecond);
}

function bytesOf({ bytesPerSecond }: Row): string {
  return bytesPerSecond === null ? "-" : bytes(Math.round(bytesPerSecond));
}

function fillOf({ fill }: Row): string {
  return `${fill === 0 ? 0 : Math.max(1, Math.floor(fill * 100))}%`;
}

function stateOf({ way, total, blockedSince, waiting, idleSince }: Flow, now: number): string {
  if (way === "out") return stateOut({ out: { ...total, blockedSince, waiting } }, now);
  // Between two messages every lane is idle for an instant.
  const idle = idleSince === null || now - Date.parse(idleSince) < 1000 ? null : idleSince;
  return stateIn({ in: { ...total, idleSince: idle } }, now);
}

/** The columns of a table that has much room or little. */
export function fieldsOf(shown: Choice["table"], wide: boolean): readonly Field[] {
  const processes = shown === "processes";
  return FIELDS.filter(
    (field) =>
      (processes ? field.process : field.flow) !== none &&
      (wide ? field.narrow !== true : field.wide !== true || (processes && field.title === "PID")),
  );
}

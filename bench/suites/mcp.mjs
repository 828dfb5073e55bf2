import { big, oneByOne } from "../contenders/mcp.mjs";
import { CLIENTS, each, shared, shims } from "../contenders/mcp-memory.mjs";
import { size } from "../lib/format.mjs";
import { multiple } from "../lib/targets.mjs";
import { roundTripColumns } from "./round-trip-columns.mjs";

const { v1, v2, modern } = oneByOne;

/** @type {import("../lib/contender.mjs").Suite} */
const calls = {
  name: "mcp-calls",
  group: "mcp",
  title: "MCP: tools/call, one after the other",
  notes: [
    "100 bytes of text each way, through the SDKs at both ends. On standard streams the server is the client's child. The pair in memory",
    "has both ends in one process, and shows what the SDK itself costs. Verdicts compare medians (p50): garbage collections of the SDKs make",
    "the means differ by more than the transports do.",
  ],
  contenders: [
    v1.ringbell,
    v1.stdio,
    v1.memory,
    v2.ringbell,
    v2.stdio,
    v2.memory,
    modern.ringbell,
    modern.stdio,
    modern.memory,
  ],
  columns: roundTripColumns,
  targets: [
    multiple("MCP tools/call, SDK 1.x / standard streams", v1.ringbell, v1.stdio, "p50", 0.13),
    multiple("MCP tools/call, SDK 1.x / in memory", v1.ringbell, v1.memory, "p50", 1.4),
    multiple("MCP tools/call, SDK 2.x / standard streams", v2.ringbell, v2.stdio, "p50", 0.16),
    multiple(
      "MCP tools/call, revision 2026-07-28 / standard streams",
      modern.ringbell,
      modern.stdio,
      "p50",
      0.25,
    ),
  ],
};

/** @type {import("../lib/contender.mjs").Suite} */
const long = {
  name: "mcp-long",
  group: "mcp",
  title: "MCP: a result of 5 MiB",
  notes: ["Text, by the SDK 1.x."],
  contenders: [big.ringbell, big.stdio],
  columns: roundTripColumns,
  targets: [multiple("MCP result of 5 MiB / standard streams", big.ringbell, big.stdio, "ns", 0.4)],
};

/** @type {import("../lib/contender.mjs").Suite} */
const memory = {
  name: "mcp-memory",
  group: "mcp",
  title: `MCP: memory of the servers of ${CLIENTS} clients`,
  notes: [
    "server-everything. PSS: memory of the processes, in which what several have in common is counted once over all. Clients are not counted.",
    "The shims are those of clients that start a command; others connect themselves.",
  ],
  contenders: [shared, each, shims],
  columns: [{ title: "PSS", figure: "pssBytes", format: size, spread: true }],
  targets: [multiple("memory of one shared server / of ten", shared, each, "pssBytes", 0.25)],
};

export const mcp = [calls, long, memory];

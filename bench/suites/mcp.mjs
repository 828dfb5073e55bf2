import { big, oneByOne } from "../contenders/mcp.mjs";
import { CLIENTS, each, shared, shims } from "../contenders/mcp-memory.mjs";
import { ratio, size } from "../lib/format.mjs";
import { roundTripColumns } from "./round-trip-columns.mjs";

/**
 * @param {string} name
 * @param {{ name: string }} ours
 * @param {{ name: string }} theirs
 * @param {number} limit
 * @returns {import("../lib/contender.mjs").Target}
 */
function atMost(name, ours, theirs, limit, figureName = "ns") {
  return {
    name,
    needs: [ours.name, theirs.name],
    value: (figure) => figure(ours.name, figureName) / figure(theirs.name, figureName),
    limit,
    better: "lower",
    format: ratio,
  };
}

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
    atMost("MCP tools/call, SDK 1.x / standard streams", v1.ringbell, v1.stdio, 0.13, "p50"),
    atMost("MCP tools/call, SDK 1.x / in memory", v1.ringbell, v1.memory, 1.4, "p50"),
    atMost("MCP tools/call, SDK 2.x / standard streams", v2.ringbell, v2.stdio, 0.16, "p50"),
    atMost(
      "MCP tools/call, revision 2026-07-28 / standard streams",
      modern.ringbell,
      modern.stdio,
      0.25,
      "p50",
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
  targets: [atMost("MCP result of 5 MiB / standard streams", big.ringbell, big.stdio, 0.4)],
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
  targets: [atMost("memory of one shared server / of ten", shared, each, 0.25, "pssBytes")],
};

export const mcp = [calls, long, memory];

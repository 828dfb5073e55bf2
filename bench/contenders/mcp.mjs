import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RoundTripTimer } from "../lib/clock.mjs";
import { clientOver, serveOver, serverFactory } from "../lib/mcp-server.mjs";
import { pair } from "../lib/pair.mjs";
import { NAMESPACE, SHARED } from "../lib/ringbell.mjs";
import { solo } from "../lib/solo.mjs";

const MCP = new URL("../../dist/mcp/index.js", import.meta.url).href;
const SERVER = fileURLToPath(new URL("../lib/mcp-server.mjs", import.meta.url));
const TEXT = "x".repeat(100);

/** @typedef {import("../lib/mcp-server.mjs").Sdk} Sdk */
/** @typedef {"ringbell" | "stdio"} Way */
/** @typedef {{ sdk: Sdk, way: Way, tool: "echo" | "big", endpoint: string, directory: string }} Options */

const NAMES = { v1: "SDK 1.x", v2: "SDK 2.x", modern: "SDK 2.x, revision 2026-07-28" };
const WAYS = { ringbell: "ringbell/mcp", stdio: "the SDK's standard streams" };

/** @param {Sdk} sdk @param {Way} way @param {Options["tool"]} [tool] */
function calls(sdk, way, tool = "echo") {
  return {
    ...pair({
      name: `mcp-${sdk}-${way}${tool === "big" ? "-5MiB" : ""}`,
      peer: `mcp-${way}`,
      title: `${NAMES[sdk]}, ${WAYS[way]}`,
      file: import.meta.url,
      options: { sdk, way, tool },
      facts: { kind: "echo", payload: "object", bytes: tool === "big" ? 5 * 1024 * 1024 : 100 },
      ...(tool === "big" ? { first: 2 } : {}),
    }),
    packages: packagesOf(sdk),
  };
}

/** @param {Sdk} sdk */
function inMemory(sdk) {
  return {
    ...solo({
      name: `mcp-${sdk}-memory`,
      peer: "mcp-memory",
      title: `${NAMES[sdk]}, its pair in memory: both ends in one process`,
      file: import.meta.url,
      options: { sdk },
    }),
    packages: packagesOf(sdk),
  };
}

/** @param {Sdk} sdk */
function packagesOf(sdk) {
  return sdk === "v1"
    ? ["@modelcontextprotocol/sdk"]
    : ["@modelcontextprotocol/client", "@modelcontextprotocol/server"];
}

export const oneByOne = {
  v1: { ringbell: calls("v1", "ringbell"), stdio: calls("v1", "stdio"), memory: inMemory("v1") },
  v2: { ringbell: calls("v2", "ringbell"), stdio: calls("v2", "stdio"), memory: inMemory("v2") },
  modern: {
    ringbell: calls("modern", "ringbell"),
    stdio: calls("modern", "stdio"),
    memory: inMemory("modern"),
  },
};
export const big = { ringbell: calls("v1", "ringbell", "big"), stdio: calls("v1", "stdio", "big") };

/** @param {Options} options */
export async function serve({ sdk, way, endpoint, directory }) {
  if (way === "stdio") {
    // The client starts its server by itself, and looks here for the core that it belongs on.
    writeFileSync(join(directory, `${endpoint}.cores`), coresAllowed());
    return { round() {}, close() {} };
  }
  const { serveMcp } = await import(MCP);
  const create = await serverFactory(sdk);
  const place = { directory, namespace: NAMESPACE, ...SHARED };
  const factory =
    sdk === "modern"
      ? (/** @type {any} */ { transport }) => serveOver(sdk, transport).then(() => ({}))
      : create;
  const service = await serveMcp(endpoint, factory, place);
  return { round() {}, close: () => service.close() };
}

/** @param {Options} options */
export async function drive({ sdk, way, tool, endpoint, directory }) {
  const transport =
    way === "ringbell"
      ? await (await import(MCP)).connectMcp(endpoint, { directory, namespace: NAMESPACE })
      : await stdioTransport(sdk, readFileSync(join(directory, `${endpoint}.cores`), "utf8"));
  const client = await clientOver(sdk, transport);
  const request = { name: tool, arguments: tool === "echo" ? { text: TEXT } : {} };
  return { round: rounds(() => client.callTool(request)), close: () => client.close() };
}

/** Both ends in this process, by the SDK's own pair: what the SDK itself costs. @param {{ sdk: Sdk }} options */
export async function work({ sdk }) {
  const { InMemoryTransport } = await import(
    sdk === "v1" ? "@modelcontextprotocol/sdk/inMemory.js" : "@modelcontextprotocol/client"
  );
  const [one, other] = InMemoryTransport.createLinkedPair();
  const [client] = await Promise.all([clientOver(sdk, one), serveOver(sdk, other)]);
  const request = { name: "echo", arguments: { text: TEXT } };
  return { round: rounds(() => client.callTool(request)) };
}

/** @param {() => Promise<unknown>} ask */
function rounds(ask) {
  return (/** @type {number} */ count) => {
    const timer = new RoundTripTimer(() => void ask().then(() => timer.answered()));
    return timer.run(count);
  };
}

/** @param {Sdk} sdk @param {string} cores */
async function stdioTransport(sdk, cores) {
  const { StdioClientTransport } = await import(
    sdk === "v1" ? "@modelcontextprotocol/sdk/client/stdio.js" : "@modelcontextprotocol/client/stdio"
  );
  const command = [process.execPath, SERVER, sdk];
  const pinned = cores === "" || cores === coresAllowed() ? command : ["taskset", "-c", cores, ...command];
  return new StdioClientTransport({ command: pinned[0], args: pinned.slice(1), stderr: "inherit" });
}

/** The cores that this process may use, as taskset takes them; empty where the system does not say. */
function coresAllowed() {
  try {
    return /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
  } catch {
    return "";
  }
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { End } from "../lib/end.mjs";
import { NAMESPACE } from "../lib/ringbell.mjs";

const MCP = new URL("../../dist/mcp/index.js", import.meta.url).href;
const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const EVERYTHING = fileURLToPath(
  new URL("../node_modules/@modelcontextprotocol/server-everything/dist/index.js", import.meta.url),
);
export const CLIENTS = 10;
const ROUNDS = 5;

/** @typedef {"shared" | "shims" | "each"} Kind */

/** @param {Kind} kind @param {string} title @returns {import("../lib/contender.mjs").Contender} */
function memory(kind, title) {
  return {
    name: `mcp-memory-${kind}`,
    peer: kind === "each" ? "mcp-stdio" : "mcp-ringbell",
    title,
    rounds: ROUNDS,
    patience: 60,
    packages: ["@modelcontextprotocol/sdk", "@modelcontextprotocol/server-everything"],
    async start({ cores, directory }) {
      const end = await End.start(import.meta.url, "hold", { kind, directory }, cores);
      return {
        warmUp: async () => {},
        round: () => end.ask("round"),
        constants: () => ({ clients: CLIENTS }),
        stop: () => end.close(),
      };
    },
  };
}

export const shared = memory("shared", `one shared server and its relay, ${CLIENTS} clients`);
export const shims = memory(
  "shims",
  `${CLIENTS} times ringbell mcp connect, for clients that start a command`,
);
export const each = memory("each", `${CLIENTS} servers on standard streams, one for each client`);

/** Holds the clients. A round is a look at the memory of the processes that serve them. @param {{ kind: Kind, directory: string }} options */
export async function hold({ kind, directory }) {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
  const place = ["-d", directory, "-n", NAMESPACE];
  /** @type {import("node:child_process").ChildProcess | undefined} */
  let share;
  if (kind !== "each") {
    const args = [CLI, "mcp", "share", kind, ...place, "--", process.execPath, EVERYTHING];
    share = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
    await once(/** @type {import("node:stream").Readable} */ (share.stdout), "data");
  }
  const connect = async () => {
    const client = new Client({ name: "bench", version: "1.0.0" });
    const args = kind === "shims" ? [CLI, "mcp", "connect", kind, ...place] : [EVERYTHING];
    const transport =
      kind === "shared"
        ? await (await import(MCP)).connectMcp(kind, { directory, namespace: NAMESPACE })
        : new StdioClientTransport({ command: process.execPath, args, stderr: "ignore" });
    await client.connect(transport);
    await client.callTool({ name: "echo", arguments: { message: "hello" } });
    return { client, pid: /** @type {number | undefined} */ (transport.pid) };
  };
  const clients = await Promise.all(Array.from({ length: CLIENTS }, connect));
  const own = clients.map(({ pid }) => pid).filter((pid) => pid !== undefined && pid !== null);
  const processes = kind === "shared" ? [share?.pid, ...childrenOf(Number(share?.pid))] : own;
  return {
    round: () => ({ pssBytes: processes.reduce((sum, pid) => sum + pssOf(Number(pid)), 0) }),
    async close() {
      await Promise.all(clients.map(({ client }) => client.close()));
      share?.kill();
      if (share !== undefined) await once(share, "exit");
    },
  };
}

/** The memory of a process, in bytes; a page that several have is counted in parts. @param {number} pid */
function pssOf(pid) {
  const kib = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1];
  return Number(kib) * 1024;
}

/** @param {number} pid */
function childrenOf(pid) {
  const list = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return list === "" ? [] : list.split(" ").map(Number);
}

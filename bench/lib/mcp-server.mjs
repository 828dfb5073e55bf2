// An MCP server with the tools of the benchmark, for both SDKs. Started as a program, it serves on its standard streams.
import { fileURLToPath } from "node:url";

/** @typedef {"v1" | "v2" | "modern"} Sdk */

/** @param {Sdk} sdk */
export async function serverFactory(sdk) {
  const { z } = await import("zod");
  const { McpServer } = await import(
    sdk === "v1" ? "@modelcontextprotocol/sdk/server/mcp.js" : "@modelcontextprotocol/server"
  );
  const shape = { text: z.string() };
  return () => {
    const server = new McpServer({ name: "bench", version: "1.0.0" });
    server.registerTool("echo", { inputSchema: sdk === "v1" ? shape : z.object(shape) }, echo);
    server.registerTool("big", sdk === "v1" ? {} : { inputSchema: z.object({}) }, big);
    return server;
  };
}

/** @param {{ text: string }} params */
const echo = ({ text }) => ({ content: [{ type: "text", text }] });

const MANY = "x".repeat(5 * 1024 * 1024);
const big = () => ({ content: [{ type: "text", text: MANY }] });

/** Serves a transport. @param {Sdk} sdk @param {any} transport */
export async function serveOver(sdk, transport) {
  const create = await serverFactory(sdk);
  if (sdk !== "modern") return create().connect(transport);
  const { serveStdio } = await import("@modelcontextprotocol/server/stdio");
  serveStdio(create, { transport });
}

/** A client, connected. @param {Sdk} sdk @param {any} transport */
export async function clientOver(sdk, transport) {
  const { Client } = await import(
    sdk === "v1" ? "@modelcontextprotocol/sdk/client/index.js" : "@modelcontextprotocol/client"
  );
  const options = sdk === "modern" ? { versionNegotiation: { mode: "auto" } } : {};
  const client = new Client({ name: "bench", version: "1.0.0" }, options);
  await client.connect(transport);
  return client;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const sdk = /** @type {Sdk} */ (process.argv[2]);
  const { StdioServerTransport } = await import(
    sdk === "v1" ? "@modelcontextprotocol/sdk/server/stdio.js" : "@modelcontextprotocol/server/stdio"
  );
  await serveOver(sdk, new StdioServerTransport());
}

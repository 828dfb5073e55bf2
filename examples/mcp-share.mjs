// One unmodified MCP server, which speaks by its standard streams, is shared by two clients. The command `ringbell mcp share` does the same.
//
//   node examples/mcp-share.mjs
//
// Prints:
//   the server has started
//   both are answered by the same process: true
//   the server has ended: exit code 0

import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { connectMcp, shareMcp } from "ringbell/mcp";

/** The server is a program that knows nothing of ringbell. */
async function serveOnStandardStreams() {
  const server = new McpServer({ name: "who", version: "1.0.0" });
  server.registerTool("pid", {}, () => ({ content: [{ type: "text", text: String(process.pid) }] }));
  await server.connect(new StdioServerTransport());
}

async function share() {
  const command = [process.execPath, fileURLToPath(import.meta.url), "server"];
  const shared = await shareMcp("who", command, { linger: 0 });
  shared.on("start", () => console.log("the server has started"));

  const clients = await Promise.all(
    ["a", "b"].map(async (name) => {
      const client = new Client({ name, version: "1.0.0" });
      await client.connect(await connectMcp("who"));
      return client;
    }),
  );
  const pids = [];
  for (const client of clients) pids.push((await client.callTool({ name: "pid" })).content[0].text);
  console.log("both are answered by the same process:", pids[0] === pids[1]);

  const ended = once(shared, "end");
  await Promise.all(clients.map((client) => client.close()));
  const [, how] = await ended; // It ends some time after its last client: here at once.
  console.log(`the server has ended: ${how}`);
  await shared.close();
}

await (process.argv[2] === "server" ? serveOnStandardStreams() : share());

// MCP: one process serves tools, and any number of clients of the SDK connect to it by its name. Here all are in one process.
//
//   node examples/mcp.mjs
//
// Prints:
//   tools: count
//   progress: 1 of 3
//   progress: 2 of 3
//   progress: 3 of 3
//   client 1: counted to 3, call 1 of this server
//   client 2: counted to 2, call 2 of this server

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { connectMcp, serveMcp } from "ringbell/mcp";
import { z } from "zod";

let calls = 0; // What is expensive to make is made once, and shared by the servers of all clients.

function createServer() {
  const server = new McpServer({ name: "counter", version: "1.0.0" });
  server.registerTool(
    "count",
    { inputSchema: { to: z.number() } },
    async ({ to }, { _meta, sendNotification }) => {
      const progressToken = _meta?.progressToken;
      for (let progress = 1; progressToken !== undefined && progress <= to; progress++) {
        await sendNotification({
          method: "notifications/progress",
          params: { progressToken, progress, total: to },
        });
      }
      calls += 1;
      return { content: [{ type: "text", text: `counted to ${to}, call ${calls} of this server` }] };
    },
  );
  return server;
}

const service = await serveMcp("counter", createServer);

const client = new Client({ name: "example", version: "1.0.0" });
await client.connect(await connectMcp("counter"));
const { tools } = await client.listTools();
console.log("tools:", tools.map(({ name }) => name).join(", "));
const onprogress = ({ progress, total }) => console.log(`progress: ${progress} of ${total}`);
const first = await client.callTool({ name: "count", arguments: { to: 3 } }, undefined, { onprogress });
console.log("client 1:", first.content[0].text);

const another = new Client({ name: "another", version: "1.0.0" });
await another.connect(await connectMcp("counter"));
const second = await another.callTool({ name: "count", arguments: { to: 2 } });
console.log("client 2:", second.content[0].text);

await Promise.all([client.close(), another.close()]);
await service.close();

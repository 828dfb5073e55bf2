// An MCP server of the SDK 2.x on standard streams, which serves both protocol revisions.
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

const text = (value) => ({ content: [{ type: "text", text: value }] });

serveStdio(({ era }) => {
  const server = new McpServer(
    { name: "both", version: "1" },
    { capabilities: { tools: { listChanged: true } } },
  );
  const inputSchema = z.object({});
  server.registerTool("era", { inputSchema }, () => text(era));
  server.registerTool("change", { inputSchema }, () => {
    server.sendToolListChanged();
    return text("changed");
  });
  server.registerTool("steps", { inputSchema }, async (_, { mcpReq }) => {
    const { progressToken } = mcpReq._meta;
    for (let progress = 1; progress <= 3; progress++) {
      await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress } });
    }
    return text("done");
  });
  return server;
});

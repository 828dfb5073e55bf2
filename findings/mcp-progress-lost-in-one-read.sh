#!/usr/bin/env bash
# The SDKs of MCP drop reports of progress that come in the same read as the answer, also over their own standard streams.
#
# Versions: @modelcontextprotocol/sdk 1.32.2, @modelcontextprotocol/client 2.4.0; Node 20.20.2.
# Behaviour: a notification is handed on in a microtask, an answer at once, and an answer ends the reports of its call. The reader of
# standard streams gives all lines of a read to the client in one go. So a server that reports and then answers loses its last reports.
# A good guess would be that messages that arrive in order are handled in order.
#
# Output seen:
#   SDK 1.x: 0 of 3 reports, the answer came
#   SDK 2.x: 0 of 3 reports, the answer came
#
# ringbell: the transport lets microtasks run between two messages (lib/mcp/transport.ts); held by test/mcp/transport.test.ts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" @modelcontextprotocol/sdk@1.32.2 @modelcontextprotocol/client@2.4.0 >/dev/null
cat > "$folder/server.mjs" <<'JS'
import { createInterface } from "node:readline";
const line = (message) => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`;
createInterface({ input: process.stdin }).on("line", (text) => {
  const { id, method, params } = JSON.parse(text);
  if (method === "initialize") {
    const { protocolVersion } = params;
    process.stdout.write(line({ id, result: { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "s", version: "1" } } }));
  } else if (method === "tools/call") {
    const { progressToken } = params._meta;
    const reports = [1, 2, 3].map((progress) => line({ method: "notifications/progress", params: { progressToken, progress } }));
    process.stdout.write(reports.join("") + line({ id, result: { content: [] } }));
  }
});
JS
cat > "$folder/client.mjs" <<'JS'
import * as old from "@modelcontextprotocol/sdk/client/index.js";
import * as oldStdio from "@modelcontextprotocol/sdk/client/stdio.js";
import * as next from "@modelcontextprotocol/client";
import * as nextStdio from "@modelcontextprotocol/client/stdio";
for (const [name, { Client }, { StdioClientTransport }] of [["1.x", old, oldStdio], ["2.x", next, nextStdio]]) {
  const client = new Client({ name: "c", version: "1" });
  await client.connect(new StdioClientTransport({ command: process.execPath, args: ["server.mjs"] }));
  let reports = 0;
  const options = { onprogress: () => reports++ };
  await (name === "1.x" ? client.callTool({ name: "t" }, undefined, options) : client.callTool({ name: "t" }, options));
  console.log(`SDK ${name}: ${reports} of 3 reports, the answer came`);
  await client.close();
}
JS
seen=$(cd "$folder" && node client.mjs)
echo "$seen"
expected=$(sed -n 's/^#   //p' "$0")
[ "$seen" = "$expected" ] || { echo "changed; expected:"; echo "$expected"; exit 1; }

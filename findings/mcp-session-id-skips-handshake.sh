#!/usr/bin/env bash
# An MCP client whose transport has a `sessionId` sends no `initialize`: it takes the connection for one that is resumed.
#
# Versions: @modelcontextprotocol/sdk 1.32.2, @modelcontextprotocol/client 2.4.0; Node 20.20.2.
# Behaviour: `connect` resolves, and nothing was sent. The server has no client's capabilities, and the client none of the server.
# A good guess would be that the optional `sessionId` is a name for logs.
#
# Output seen:
#   SDK 1.x: without initialize; with a session id nothing
#   SDK 2.x: without initialize; with a session id nothing
#
# ringbell: the transport has no sessionId (lib/mcp/transport.ts); held by test/mcp/transport.test.ts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" @modelcontextprotocol/sdk@1.32.2 @modelcontextprotocol/client@2.4.0 >/dev/null
cat > "$folder/try.mjs" <<'JS'
import * as old from "@modelcontextprotocol/sdk/client/index.js";
import * as next from "@modelcontextprotocol/client";
async function firstMessage(Client, sessionId) {
  let first = "nothing";
  const transport = {
    ...(sessionId === undefined ? {} : { sessionId }),
    async start() {},
    async close() {},
    async send({ id, method, params }) {
      if (first === "nothing") first = method;
      if (id === undefined) return;
      const result = { protocolVersion: params.protocolVersion, capabilities: {}, serverInfo: { name: "s", version: "1" } };
      queueMicrotask(() => transport.onmessage({ jsonrpc: "2.0", id, result }));
    },
  };
  await new Client({ name: "c", version: "1" }).connect(transport);
  return first;
}
for (const [name, { Client }] of [["1.x", old], ["2.x", next]]) {
  console.log(`SDK ${name}: without ${await firstMessage(Client)}; with a session id ${await firstMessage(Client, "s")}`);
}
JS
seen=$(cd "$folder" && node try.mjs)
echo "$seen"
expected=$(sed -n 's/^#   //p' "$0")
[ "$seen" = "$expected" ] || { echo "changed; expected:"; echo "$expected"; exit 1; }

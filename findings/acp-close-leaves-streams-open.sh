#!/usr/bin/env bash
# Closing an ACP connection cancels what it reads, and leaves its writable open: the other side does not hear of it.
#
# Versions: @agentclientprotocol/sdk 2.4.0; Node 20.20.2.
# Behaviour: after `connection.close()` the readable of its stream was cancelled, and its writable neither closed nor aborted.
# A good guess would be that close() ends both directions, as a socket's end does.
#
# Output seen:
#   readable: cancelled
#   writable: open
#
# ringbell: the stream closes its channel when its readable is cancelled (lib/acp/stream.ts); held by test/acp/acp.test.ts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" @agentclientprotocol/sdk@2.4.0 zod@4.6.7 >/dev/null
cat > "$folder/try.mjs" <<'JS'
import { client } from "@agentclientprotocol/sdk";
import { setTimeout as sleep } from "node:timers/promises";
const state = { readable: "open", writable: "open" };
const connection = client().connect({
  readable: new ReadableStream({ cancel: () => { state.readable = "cancelled"; } }),
  writable: new WritableStream({ close: () => { state.writable = "closed"; }, abort: () => { state.writable = "aborted"; } }),
});
connection.close();
await connection.closed;
await sleep(200);
console.log(`readable: ${state.readable}\nwritable: ${state.writable}`);
JS
seen=$(cd "$folder" && node try.mjs)
echo "$seen"
expected=$(sed -n 's/^#   //p' "$0")
[ "$seen" = "$expected" ] || { echo "changed; expected:"; echo "$expected"; exit 1; }

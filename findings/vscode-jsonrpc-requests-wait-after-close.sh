#!/usr/bin/env bash
# A request of vscode-jsonrpc never settles when the connection closes, unless the program disposes of it.
#
# Versions: vscode-jsonrpc 10.0.0; Node 20.20.2.
# Behaviour: the server dies, `onClose` fires, and the promise of `sendRequest` stays as it is. `dispose()` rejects it with code -32097.
# A good guess would be that a closed connection rejects what waits for an answer, as a disposed one does.
#
# Output seen:
#   closed: true, the request is pending
#   disposed: the request is rejected with -32097
#
# ringbell: the reader answers such requests with an error before it closes (lib/vscode-jsonrpc/reader.ts); held by
# test/vscode-jsonrpc/connection.test.ts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" vscode-jsonrpc@10.0.0 >/dev/null
cat > "$folder/try.mjs" <<'JS'
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from "vscode-jsonrpc/node";
const child = spawn(process.execPath, ["-e", "process.stdin.once('data', () => process.exit())"], { stdio: ["pipe", "pipe", "ignore"] });
const connection = createMessageConnection(new StreamMessageReader(child.stdout), new StreamMessageWriter(child.stdin));
let closed = false;
connection.onClose(() => {
  closed = true;
});
connection.listen();
let state = "pending";
connection.sendRequest("m").catch((error) => {
  state = `rejected with ${error.code}`;
});
while (!closed) await sleep(1);
await sleep(200);
console.log(`closed: ${closed}, the request is ${state}`);
connection.dispose();
await sleep(1);
console.log(`disposed: the request is ${state}`);
JS
seen=$(cd "$folder" && node try.mjs)
echo "$seen"
expected=$(sed -n 's/^#   //p' "$0")
[ "$seen" = "$expected" ] || { echo "changed; expected:"; echo "$expected"; exit 1; }

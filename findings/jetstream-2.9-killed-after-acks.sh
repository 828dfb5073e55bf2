#!/usr/bin/env bash
# JetStream of nats-server 2.9.10, file storage: what a SIGKILL of the server does to messages whose acknowledgement it has confirmed.
#
# Versions: nats-server 2.9.10 (Debian 12: apt-get install nats-server), @nats-io/jetstream 3.4.0.
# Behaviour: a work queue holds 100 messages. All are taken, and 50 are acknowledged. Each acknowledgement is confirmed (ackAck is true), and the stream
# says that it holds 50. The server is killed, and starts again. The stream holds more than 50 again, mostly 99 or 100. The kernel has lost nothing: only the server's
# own note of the deletions was not written yet, and it is not written for seconds.
# A good guess would be that a confirmed acknowledgement survives the process, since PubAcks of the same server do.
#
# Output seen:
#   before: 50 messages, of 50 confirmed
#   after: more than before
#
# ringbell: a message that comes again is known as done with by its standing in a bucket of keys (lib/mailbox/nats/claims.ts). That may be forgotten as
# well: docs/mailbox.md says so.
set -euo pipefail
script=$(realpath "$0")
folder=$(mktemp -d)
cd "$folder"
npm init -y > /dev/null
npm install --silent --ignore-scripts @nats-io/transport-node@3.4.0 @nats-io/jetstream@3.4.0
cat > main.mjs << 'EOF'
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "@nats-io/transport-node";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";

const start = () => spawn("nats-server", ["-js", "-a", "127.0.0.1", "-p", "14997", "-sd", "data"], { stdio: "ignore" });
async function connected() {
  for (;;) {
    try {
      const nats = await connect({ servers: "127.0.0.1:14997", reconnect: false });
      return { nats, manager: await jetstreamManager(nats) };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
const held = async ({ manager }) => (await manager.streams.info("jobs")).state.messages;

let server = start();
try {
  const first = await connected();
  const js = jetstream(first.nats);
  await first.manager.streams.add({ name: "jobs", subjects: ["jobs"], retention: "workqueue" });
  await first.manager.consumers.add("jobs", { durable_name: "w", ack_policy: "explicit", ack_wait: 60e9 });
  for (let n = 0; n < 100; n++) await js.publish("jobs", String(n));
  const taken = [];
  const messages = await (await js.consumers.get("jobs", "w")).fetch({ max_messages: 100, expires: 5000 });
  for await (const message of messages) taken.push(message);
  let confirmed = 0;
  for (const message of taken.slice(50)) if (await message.ackAck()) confirmed++;
  console.log(`before: ${await held(first)} messages, of ${confirmed} confirmed`);
  server.kill("SIGKILL");
  await once(server, "exit");
  server = start();
  const second = await connected();
  const after = await held(second);
  console.log(`after: ${after > 50 ? "more than before" : after}`);
  await second.nats.close();
} finally {
  server.kill("SIGKILL");
  await once(server, "exit");
}
process.exit(0);
EOF
trap 'rm -rf "$folder"' EXIT
got=$(node main.mjs)
echo "$got"
expected=$(sed -n 's/^#   //p' "$script")
[ "$got" = "$expected" ] || { echo "changed; expected:"; echo "$expected"; exit 1; }

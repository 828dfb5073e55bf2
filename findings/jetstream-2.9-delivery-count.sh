#!/usr/bin/env bash
# JetStream of nats-server 2.9.10: a message that was delivered before says that it is delivered for the first time.
#
# Versions: nats-server 2.9.10 (Debian 12: apt-get install nats-server), @nats-io/jetstream 3.4.0.
# Behaviour: a message is taken, and given back by a nak while a request for messages stands whose subscription is gone. The server counts the
# delivery back that reached nobody, and forgets the first one with it.
# A good guess would be that the number of deliveries only grows, so that 1 means that nobody else has had the message.
#
# Output seen:
#   deliveries, as the first and the second taker are told: 1, 1
#
# ringbell: each claim is written to a bucket of keys, and attempts are counted there (lib/mailbox/nats/claims.ts).
set -euo pipefail
script=$(realpath "$0")
folder=$(mktemp -d)
nats-server -js -a 127.0.0.1 -p 14998 -sd "$folder/data" > /dev/null 2>&1 &
server=$!
trap 'kill $server; wait $server || true; rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --ignore-scripts @nats-io/transport-node@3.4.0 @nats-io/jetstream@3.4.0
cat > main.mjs << 'EOF'
import { connect } from "@nats-io/transport-node";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";

const nats = await connect({ servers: "127.0.0.1:14998" });
const manager = await jetstreamManager(nats);
await manager.streams.add({ name: "jobs", subjects: ["jobs"], retention: "workqueue" });
await manager.consumers.add("jobs", { durable_name: "w", ack_policy: "explicit", ack_wait: 30e9, max_deliver: -1 });
await jetstream(nats).publish("jobs", "x");

const NEXT = "$JS.API.CONSUMER.MSG.NEXT.jobs.w";
const take = async (inbox) => {
  const messages = nats.subscribe(inbox, { max: 1 });
  nats.publish(NEXT, JSON.stringify({ batch: 1, no_wait: true }), { reply: inbox });
  for await (const message of messages) return message;
};
const deliveries = ({ reply }) => Number(reply.split(".")[4]);

const first = await take("one");
const waiting = nats.subscribe("gone");
nats.publish(NEXT, JSON.stringify({ batch: 1, expires: 60e9 }), { reply: "gone" });
await manager.consumers.info("jobs", "w");
await waiting.drain();
await nats.request(first.reply, "-NAK");
const second = await take("two");
const counts = [deliveries(first), deliveries(second)];
console.log("deliveries, as the first and the second taker are told:", counts.join(", "));
await nats.close();
EOF
got=$(node main.mjs)
echo "$got"
expected=$(sed -n 's/^#   //p' "$script")
[ "$got" = "$expected" ] || { echo "changed; expected:"; echo "$expected"; exit 1; }

// Objects of the same few shapes: packed() sends the keys of a shape once, and carries Dates, Maps and bigints, too.
//
//   node examples/packed.mjs
//
// Prints:
//   1,000 events, from step 0n to step 999n
//   the last one at 2026-01-01T00:00:00.999Z, its Map with the path README.md
//   fewer bytes than their JSON: true

import { connect, listen, packed } from "ringbell";

const server = await listen("events", { codec: packed() });
const channel = await connect("events", { codec: packed() });
const events = await server.accept();

const start = Date.UTC(2026, 0);
const batch = Array.from({ length: 1000 }, (_, i) => ({
  event: "tool.finished",
  step: BigInt(i),
  finishedAt: new Date(start + i),
  arguments: new Map([["path", "README.md"]]),
}));
const sending = channel.sendMany(batch); // Waits for room where the other side is slower.
const arrived = [];
while (arrived.length < batch.length) arrived.push(await events.receive());
await sending;

const last = arrived[999];
console.log(`1,000 events, from step ${arrived[0].step}n to step ${last.step}n`);
const path = last.arguments.get("path");
console.log(`the last one at ${last.finishedAt.toISOString()}, its Map with the path ${path}`);

const json = batch.map((event) =>
  JSON.stringify({ ...event, step: Number(event.step), arguments: { path: "README.md" } }),
);
const { sentBytes } = channel.stats().lanes[0];
console.log("fewer bytes than their JSON:", sentBytes < json.join("").length);

await channel.close();
await server.close();

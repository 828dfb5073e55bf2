// Lanes: several pairs of rings in one connection, each with its own capacity and codec. A full lane does not hold up another one, so
// a control message gets through while the data lane stands still.
//
//   node examples/lanes.mjs
//
// Prints:
//   data is full, and nobody reads it
//   control says: pause
//   data went on: 1 message of 1000 bytes was taken

import { bytes, connect, listen, text } from "ringbell";

const server = await listen("planes", {
  codec: text(),
  lanes: { control: { capacity: 4096 }, data: { capacity: 4096, codec: bytes() } },
});
const lanes = { control: {}, data: { codec: bytes() } };
const sender = await connect("planes", { codec: text(), lanes });
const { value: receiver } = await server[Symbol.asyncIterator]().next();

const data = sender.lane("data");
while (data.trySend(Buffer.alloc(1000)));
console.log("data is full, and nobody reads it");

await sender.lane("control").send("pause");
console.log("control says:", await receiver.lane("control").receive());

const waiting = data.send(Buffer.alloc(1000));
const taken = await receiver.lane("data").receive();
await waiting;
console.log(`data went on: 1 message of ${taken.length} bytes was taken`);

await sender.close();
await server.close();

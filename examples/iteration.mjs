// Iteration: a server is an async iterable of channels, and a channel is one of messages. When the peer closes, a loop over the channel
// takes all that was sent, and ends. When the peer is killed, it throws. Leaving the loop leaves the channel open.
//
//   node examples/iteration.mjs
//
// Prints:
//   first: 1
//   then: 2
//   then: 3
//   that was all

import { connect, listen } from "ringbell";

const server = await listen("numbers");
const producer = await connect("numbers");
await producer.sendMany([1, 2, 3]);
await producer.close();

for await (const channel of server) {
  for await (const number of channel) {
    console.log("first:", number);
    break;
  }
  for await (const number of channel) console.log("then:", number);
  console.log("that was all");
  break;
}
await server.close();

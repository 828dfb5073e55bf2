// Hello: one process listens under a name, another connects, and both talk.
// To be short, both are in this one file: cut it at the line, and it is two.
//
//   node examples/hello.mjs
//
// Prints:
//   Hello, world!

import { listen } from "ringbell";

const server = await listen("greeter");
server.on("connection", (channel) => {
  channel.on("message", (name) => {
    channel.send(`Hello, ${name}!`);
  });
  channel.on("close", () => server.close());
});

// ----------------------------------------------------------------

import { connect } from "ringbell";

const channel = await connect("greeter");
await channel.send("world");
console.log(await channel.receive());
await channel.close();

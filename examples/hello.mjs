// Hello: one process listens under a name, another connects, and both talk.
// To be short, both are in this one file; cut at the line, it is two programs.
//
//   node examples/hello.mjs
//
// Prints:
//   Hello, world!

import { connect, listen } from "ringbell";

const server = await listen("greeter");
server.on("connection", (channel) => {
  channel.on("message", (name) => {
    channel.send(`Hello, ${name}!`);
  });
});

// ----------------------------------------------------------------

const channel = await connect("greeter");
await channel.send("world");
console.log(await channel.receive());

await channel.close();
await server.close();

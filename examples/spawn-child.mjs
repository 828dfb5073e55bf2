// A child finds its parent by the environment: RINGBELL_ENDPOINT holds the path of the parent's socket, and `connect()` without a name
// goes there. The two need not agree on a name, and two such families never meet.
//
//   node examples/spawn-child.mjs
//
// Prints:
//   the child, a process of ours, says: ready
//   the child answers: 42
//   the child has ended: 0
//   a child that crashes: 3

import { connect, spawn } from "ringbell";

if (process.argv[2] === "crash") process.exit(3);
if (process.argv[2] === "child") {
  const channel = await connect();
  await channel.send("ready");
  const { a, b } = await channel.receive();
  await channel.send(a * b);
  await channel.close();
} else {
  const { channel, process: child, exited } = await spawn(process.execPath, [import.meta.filename, "child"]);
  // `peer.pid` comes from the kernel.
  const whose = channel.peer.pid === child.pid ? "a process of ours" : "a stranger";
  console.log(`the child, ${whose}, says:`, await channel.receive());
  await channel.send({ a: 6, b: 7 });
  console.log("the child answers:", await channel.receive());
  console.log("the child has ended:", (await exited).code);

  // Nobody waits for a child that ends before it has connected.
  const crash = spawn(process.execPath, [import.meta.filename, "crash"]);
  await crash.catch(({ exitCode }) => console.log("a child that crashes:", exitCode));
}

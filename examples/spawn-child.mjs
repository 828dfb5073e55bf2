// A child finds its parent by the environment: RINGBELL_ENDPOINT holds the path of the parent's socket, and `connect()` without a name
// goes there. The two need not agree on a name, and two such families never meet.
//
//   node examples/spawn-child.mjs
//
// Prints:
//   the child, a process of ours, says: ready
//   the child answers: 42
//   the child has ended: peer-closed

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { connect, listen } from "ringbell";

if (process.argv[2] === "child") {
  const channel = await connect();
  await channel.send("ready");
  const { a, b } = await channel.receive();
  await channel.send(a * b);
  await channel.close();
} else {
  const server = await listen(randomUUID());
  const child = spawn(process.execPath, [import.meta.filename, "child"], {
    stdio: "inherit",
    env: { ...process.env, RINGBELL_ENDPOINT: server.path },
  });
  // A child that ends before it connects (a wrong path, a crash at its start) would leave `accept` waiting for ever.
  const early = new AbortController();
  child.once("exit", (code, signal) => early.abort(new Error(`the child ended early: ${code ?? signal}`)));
  child.once("error", (error) => early.abort(error));
  const channel = await server.accept({ signal: early.signal });
  // `peer.pid` comes from the kernel.
  const whose = channel.peer.pid === child.pid ? "a process of ours" : "a stranger";
  console.log(`the child, ${whose}, says:`, await channel.receive());
  await channel.send({ a: 6, b: 7 });
  console.log("the child answers:", await channel.receive());
  const { reason } = await channel.closed;
  console.log("the child has ended:", reason);
  await server.close();
}

// The output of a command: an agent runs a command, and pipes its output to the process that started the agent. If nobody reads, the
// command has to wait. Nothing piles up in between.
//
//   node examples/pipe-child.mjs
//
// Prints:
//   10000 lines, the last one: line 9999
//   the channel has ended: …

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { bytes, connect, listen } from "ringbell";

if (process.argv[2] === "agent") {
  const channel = await connect("agent", { codec: bytes() });
  const print = "for (let n = 0; n < 10000; n++) console.log('line', n);";
  const command = spawn(process.execPath, ["-e", print], { stdio: ["ignore", "pipe", "inherit"] });
  command.stdout.pipe(channel.toDuplex());
} else {
  const server = await listen("agent", { codec: bytes() });
  spawn(process.execPath, [import.meta.filename, "agent"], { stdio: "inherit" });
  const channel = await server.accept();
  let count = 0;
  let last = "";
  for await (const line of createInterface({ input: channel.toDuplex() })) {
    count += 1;
    last = line;
  }
  console.log(`${count} lines, the last one: ${last}`);
  // Both directions have ended, and so the channel has.
  console.log("the channel has ended:", (await channel.closed).reason);
  await server.close();
}

// Two sessions talk by mailboxes: a planner posts a task and waits for the reply, a coder waits for tasks. Neither need be there when the
// other posts. The planner, which comes first, is the broker; the coder finds it.
//
//   node examples/mailbox.mjs
//
// Prints:
//   planner is the broker
//   posted, and nobody has read the box coder before: never
//   coder is the client
//   coder got "write the parser" from planner
//   planner got "done: write the parser" from coder

import { spawn } from "node:child_process";
import { mailboxes } from "ringbell/mailbox";

const name = process.argv[2] ?? "planner";
// Without `store: "memory"` messages also survive the death of all processes. That needs Node 22.13, or the package better-sqlite3.
const mail = await mailboxes({ from: name, store: "memory" });
console.log(`${name} is the ${mail.state}`);

if (name === "coder") {
  const { body, from } = await mail.wait("coder");
  console.log(`coder got "${body}" from ${from.name}`);
  await mail.post(from.name, `done: ${body}`);
} else {
  const { readers } = await mail.post("coder", "write the parser");
  console.log(`posted, and nobody has read the box coder before: ${readers}`);
  spawn(process.execPath, [process.argv[1], "coder"], { stdio: "inherit" });
  const reply = await mail.wait("planner");
  console.log(`planner got "${reply.body}" from ${reply.from.name}`);
}
await mail.close();

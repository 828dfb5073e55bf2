// Two sessions alternate without a broker: one receives, the other sends. Nothing is stored, so both must be there.
//
//   node examples/send-receive.mjs
//
// Prints:
//   the round trip takes less than a second: true
//   bob got "hello" from alice
//   alice got "hello, alice"
//   bob got "thanks" from alice
//   by TCP: "over a port"

import { spawn } from "node:child_process";
import { ping, receive, send } from "ringbell/mailbox";

if (process.argv[2] === "alice") {
  // Bob answers pings while he receives, and gets nothing of them.
  console.log(`the round trip takes less than a second: ${(await ping("bob")) < 1000}`);
  const reply = receive("alice");
  await send("bob", "hello", { from: "alice" });
  console.log(`alice got "${(await reply).message}"`);
  await send("bob", "thanks", { from: "alice" });
} else {
  const first = receive("bob");
  spawn(process.execPath, [process.argv[1], "alice"], { stdio: "inherit" });
  const { message, from } = await first;
  console.log(`bob got "${message}" from ${from}`);
  const second = receive("bob");
  await send(from, `${message}, ${from}`);
  console.log(`bob got "${(await second).message}" from ${from}`);

  const byPort = new Promise((resolve, reject) => {
    const onListening = (address) => send(address, "over a port").catch(reject);
    receive(undefined, { port: 0, onListening }).then(resolve, reject);
  });
  console.log(`by TCP: "${(await byPort).message}"`);
}

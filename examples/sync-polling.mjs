// Two processes answer each other without the event loop: each thread blocks in `receiveSync`, which polls for a while and then
// sleeps. It saves the turns of the loop, for threads that have nothing else to do.
//
//   node examples/sync-polling.mjs
//
// Prints:
//   20000 round trips, … µs each

import { spawn } from "node:child_process";
import { connect, listen, struct, u32 } from "ringbell";

const Ball = struct({ n: u32 });
const ROUNDS = 20_000;

if (process.argv[2] === "wall") {
  const channel = await connect("court", { codec: Ball });
  for (;;) {
    const ball = channel.receiveSync();
    if (ball.n === ROUNDS) break;
    channel.sendSync(ball);
  }
  await channel.close();
} else {
  const server = await listen("court", { codec: Ball });
  spawn(process.execPath, [import.meta.filename, "wall"], { stdio: "inherit" });
  for await (const channel of server) {
    const start = performance.now();
    for (let n = 0; n < ROUNDS; n++) {
      channel.sendSync({ n });
      // The limit is there so that a peer that hangs does not block this thread for ever.
      const ball = channel.receiveSync({ timeout: 5000 });
      if (ball?.n !== n) throw new Error("the ball did not come back");
    }
    const each = ((performance.now() - start) * 1000) / ROUNDS;
    console.log(`${ROUNDS} round trips, ${each.toFixed(2)} µs each`);
    channel.sendSync({ n: ROUNDS });
    await channel.closed;
    break;
  }
  await server.close();
}

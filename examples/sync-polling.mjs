// A pair that answers each other without the event loop: each thread blocks in `receiveSync`, polling for a while and
// then asleep. The lowest latency there is, for threads that have nothing else to do.
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
      // A limit, so that a peer that hangs does not take this thread along.
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

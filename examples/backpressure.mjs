// Backpressure: a ring has an end. `trySend` says false when it is full, and "drain" comes when there is room again. `send` waits for
// room instead. Nothing is ever dropped, and no queue grows in the background.
//
//   node examples/backpressure.mjs
//
// Prints:
//   the ring was full … times, and "drain" came every time
//   the consumer got 20000 messages in order

import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, listen, struct, u32 } from "ringbell";

const Count = struct({ n: u32 });
const MESSAGES = 20_000;

if (process.argv[2] === "consumer") {
  const channel = await connect("counts", { codec: Count });
  let next = 0;
  for await (const { n } of channel) {
    if (n !== next) throw new Error(`${n} came, ${next} was due`);
    next += 1;
  }
  console.log(`the consumer got ${next} messages in order`);
} else {
  // 4 KiB, the smallest ring, is full soon: each message takes 16 bytes in it.
  const server = await listen("counts", { codec: Count, capacity: 4096 });
  const consumer = spawn(process.execPath, [import.meta.filename, "consumer"], { stdio: "inherit" });
  server.on("connection", (channel) => {
    let n = 0;
    let full = 0;
    const pump = () => {
      for (; n < MESSAGES; n++) {
        if (channel.trySend({ n })) continue;
        full += 1;
        return; // "drain" comes.
      }
      console.log(`the ring was full ${full} times, and "drain" came every time`);
      server.close(); // Its channels too; what was sent before arrives.
    };
    channel.on("drain", pump);
    pump();
  });
  await once(consumer, "exit");
}

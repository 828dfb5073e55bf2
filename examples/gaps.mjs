// How far apart may messages be for the receiver to go on polling? The sender here counts bells: messages that found the receiver
// asleep, and so cost a system call and a wake-up. docs/performance.md explains the figures.
//
//   node examples/gaps.mjs
//
// Prints:
//   10 µs apart: … % of the messages rang
//   20 µs apart: … % of the messages rang
//   40 µs apart: … % of the messages rang
//   100 µs apart: … % of the messages rang
//   500 µs apart: … % of the messages rang
//   1000 µs apart: … % of the messages rang

import { spawn } from "node:child_process";
import { connect, listen, struct, u32 } from "ringbell";

const Count = struct({ n: u32 });
const GAPS = [10, 20, 40, 100, 500, 1000];
const MESSAGES = 1000;

if (process.argv[2] === "receiver") {
  const channel = await connect("gaps", { codec: Count });
  for await (const _ of channel);
} else {
  const server = await listen("gaps", { codec: Count });
  spawn(process.execPath, [import.meta.filename, "receiver"], { stdio: "inherit" });
  const channel = await server.accept();
  for (const gap of GAPS) {
    const before = channel.stats().bells;
    let due = performance.now();
    for (let n = 0; n < MESSAGES; n++) {
      due += gap / 1000;
      while (performance.now() < due); // A timer would not be so exact.
      channel.trySend({ n });
    }
    const rang = channel.stats().bells - before;
    console.log(`${gap} µs apart: ${((100 * rang) / MESSAGES).toFixed(1)} % of the messages rang`);
  }
  await server.close();
}

// The scribe: an interface of the session in another process, over shared memory. It writes what a model would see of the terminal, and
// measures how long tokens take. It shows that windows are one kind of interface among others.

import { createWriteStream } from "node:fs";
import { ModelText } from "../../dist/bridge/index.js";
import { attach } from "../../dist/session/index.js";
import { inputs } from "./contract.mjs";
import { endWithLauncher, microseconds, place } from "./process.mjs";

/** The delays that are kept, and how often they are reported, in ms. */
const MOST = 256;
const REPORT = 1000;

const transcript = createWriteStream(process.argv[2]);
const text = new ModelText();
const session = await attach("agent", { ...place, client: "scribe", from: "live", inputs });
const delays = [];
const timer = setInterval(report, REPORT);
endWithLauncher(async () => {
  clearInterval(timer);
  await session.close();
});

for await (const item of session) {
  if (item.type !== "event" || item.event.type !== "token") continue;
  delays.push((microseconds() - item.event.at) / 1000);
  if (delays.length > MOST) delays.shift();
  transcript.write(text.push(Buffer.from(item.event.text)));
}

function report() {
  if (delays.length === 0) return;
  const sorted = delays.toSorted((one, other) => one - other);
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))];
  session.input("delivered", { p50: at(0.5), p99: at(0.99) }).catch(() => {
    // The agent was started again. The next report reaches it.
  });
}

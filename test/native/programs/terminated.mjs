// Terminates workers, and then itself, while memory is being made for them on another thread.
import { Worker } from "node:worker_threads";
import { addonPath, loadBinding } from "../../../dist/native/load.js";

const binding = loadBinding();
const body = `
  const binding = require(${JSON.stringify(addonPath())});
  void binding.segmentCreateSoon(2 ** 27, "");
  binding.segmentCreateSoon(2 ** 50, "").catch(() => {});
  require("node:worker_threads").parentPort.postMessage("begun");
  setInterval(() => {}, 1000);
`;
for (let n = 0; n < 12; n++) {
  const worker = new Worker(body, { eval: true });
  await new Promise((resolve) => worker.once("message", resolve));
  // At different moments of the work.
  const until = performance.now() + n * 4;
  while (performance.now() < until) await new Promise(setImmediate);
  await worker.terminate();
}
for (let n = 0; n < 4; n++) void binding.segmentCreateSoon(2 ** 27, "");
console.log("alive");
process.exit(7);

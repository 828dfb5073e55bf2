// Terminates workers, and then itself, while memory is being made for them on another thread.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const gyp = createRequire(import.meta.url).resolve("node-gyp-build");
const body = `
  const binding = require(${JSON.stringify(gyp)})(${JSON.stringify(root)});
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
const binding = createRequire(import.meta.url)(gyp)(root);
for (let n = 0; n < 4; n++) void binding.segmentCreateSoon(2 ** 27, "");
console.log("alive");
process.exit(7);

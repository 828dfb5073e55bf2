// Development beside production: the same tool server runs in two namespaces. The one of development is killed and started anew with a
// change, while its client stays. Production sees nothing of that.
//
//   node examples/dev-mode/main.mjs
//
// Prints:
//   prod and dev run, each a process of its own
//   a second client of prod waits for no start
//   dev answers: version 1
//   dev was killed, and started anew
//   the same client of dev gets: version 2, within a second
//   prod: no error, one process, one version

import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { testNamespace } from "ringbell";
import { open } from "ringbell/rpc";
import { tools } from "./tools.mjs";

// A directory of this run's own. Without it, the namespaces lie in the user's.
const space = testNamespace();
const { directory } = space.place;
const children = new Set();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** Starts a server, and waits until it serves. */
async function start(namespace, version) {
  const env = { ...process.env, RINGBELL_NAMESPACE: namespace, RINGBELL_DIRECTORY: directory };
  const child = fork(new URL("server.mjs", import.meta.url), [version], { env });
  children.add(child);
  await once(child, "message");
  return child;
}

const began = performance.now();
let [prodServer, devServer] = await Promise.all([start("prod", "1"), start("dev", "1")]);
const startTook = performance.now() - began;

const prod = await open(tools, { directory, namespace: "prod" });
const dev = await open(tools, { directory, namespace: "dev", reconnect: true });
const seen = { prod: await prod.render({ page: "home" }), dev: await dev.render({ page: "home" }) };
if (seen.prod.pid !== seen.dev.pid) console.log("prod and dev run, each a process of its own");

// The traffic of production goes on all the time.
const answers = [];
const errors = [];
const ending = new AbortController();
const traffic = (async () => {
  while (!ending.signal.aborted) {
    await prod.render({ page: "shop" }).then(
      (answer) => answers.push(answer),
      (error) => errors.push(error),
    );
    await sleep(1);
  }
})();

const connecting = performance.now();
const second = await open(tools, { directory, namespace: "prod" });
await second.render({ page: "home" });
if (performance.now() - connecting < startTook) console.log("a second client of prod waits for no start");
await second.close();

console.log(`dev answers: version ${seen.dev.version}`);
devServer.kill("SIGKILL");
await once(devServer, "exit");
children.delete(devServer);
devServer = await start("dev", "2");
console.log("dev was killed, and started anew");
const up = performance.now();
const { version } = await dev.render({ page: "home" });
const soon = performance.now() - up < 1000 ? "within a second" : "late";
console.log(`the same client of dev gets: version ${version}, ${soon}`);

ending.abort();
await traffic;
const [pids, versions] = ["pid", "version"].map((key) => new Set(answers.map((answer) => answer[key])).size);
if (errors.length === 0 && answers.length > 0 && pids === 1 && versions === 1)
  console.log("prod: no error, one process, one version");
await Promise.all([prod.close(), dev.close()]);
for (const server of [prodServer, devServer]) {
  server.kill();
  await once(server, "exit");
  children.delete(server);
}
await space.close();

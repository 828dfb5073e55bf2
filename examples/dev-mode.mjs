// A development instance of a service beside the production one: the same name in two namespaces. The dev instance is restarted under a
// live client, which comes back by itself. Production sees nothing of it.
//
//   node examples/dev-mode.mjs
//
// Prints:
//   prod: version 1, started once for 2 clients
//   dev: version 1
//   dev: version 2, and the client is still the same
//   prod: … calls, 0 errors, still version 1

import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { contract, open, serve } from "ringbell/rpc";

const tools = contract("tools", { version: "request" });

async function runService(version) {
  await sleep(300); // An expensive start: a pool of browsers, a database. The service outlives its clients.
  const service = await serve(tools, { version: () => ({ version, clients: service.clients.size }) });
  process.once("SIGTERM", () => service.close());
}

/** Starts an instance. Only its environment says where it belongs. */
function start(namespace, version) {
  const env = { ...process.env, RINGBELL_NAMESPACE: namespace };
  return spawn(process.execPath, [fileURLToPath(import.meta.url), version], { env, stdio: "inherit" });
}

async function end(child) {
  child.kill();
  await once(child, "exit");
}

async function show() {
  const prod = start("prod", "1");
  let dev = start("dev", "1");

  const production = await open(tools, { namespace: "prod", retry: { maxTotal: 10_000, attempts: 1000 } });
  const second = await open(tools, { namespace: "prod" });
  const { version, clients } = await second.version();
  console.log(`prod: version ${version}, started once for ${clients} clients`);

  let calls = 0;
  let errors = 0;
  let isBusy = true;
  const traffic = (async () => {
    for (; isBusy; calls++) await production.version().catch(() => errors++);
  })();

  const client = await open(tools, {
    namespace: "dev",
    reconnect: true,
    retry: { maxTotal: 10_000, attempts: 1000 },
  });
  console.log(`dev: version ${(await client.version()).version}`);
  await end(dev);
  dev = start("dev", "2"); // Edit, restart, and go on.
  while ((await client.version().catch(() => ({}))).version !== "2");
  console.log("dev: version 2, and the client is still the same");

  isBusy = false;
  await traffic;
  console.log(
    `prod: ${calls} calls, ${errors} errors, still version ${(await production.version()).version}`,
  );
  await Promise.all([client.close(), production.close(), second.close()]);
  await Promise.all([end(prod), end(dev)]);
}

await (process.argv[2] === undefined ? show() : runService(process.argv[2]));

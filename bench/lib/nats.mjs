import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Unavailable } from "./contender.mjs";

/** How often it is tried to reach a server that has just begun. */
const TRIES = 200;

/** Throws {@link Unavailable} where the server or its client is missing. */
export async function mustHaveNats() {
  if (spawnSync("nats-server", ["--version"]).status !== 0) {
    throw new Unavailable("needs nats-server (Debian: apt-get install nats-server)");
  }
  await Promise.all([import("@nats-io/transport-node"), import("@nats-io/jetstream")]).catch(() => {
    throw new Unavailable("needs @nats-io/transport-node and @nats-io/jetstream: npm ci --prefix bench");
  });
}

/** Starts a server with JetStream on a free port of the loopback, which stores in the folder. @param {string} folder */
export async function startNats(folder) {
  const port = await freePort();
  const child = spawn("nats-server", ["-js", "-a", "127.0.0.1", "-p", String(port), "-sd", folder], {
    stdio: "ignore",
  });
  return { port, stop: () => child.kill("SIGKILL") };
}

/** @param {number} port */
export async function connectNats(port) {
  const { connect } = await import("@nats-io/transport-node");
  for (let i = 0; ; i++) {
    try {
      return await connect({ servers: `127.0.0.1:${port}` });
    } catch (error) {
      if (i === TRIES) throw error;
      await delay(10);
    }
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  server.close();
  return port;
}

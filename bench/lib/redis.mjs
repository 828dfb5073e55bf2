import { spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Unavailable } from "./contender.mjs";

/** How often it is tried to reach a server that has just begun. */
const TRIES = 200;

/** The server of Redis on this machine, over a Unix socket. Throws {@link Unavailable} without one. */
export function redisServer() {
  if (spawnSync("redis-server", ["--version"]).status !== 0) {
    throw new Unavailable("needs redis-server (Debian: apt-get install redis-server)");
  }
  return { at, start };
}

/** @param {string} folder */
function at(folder) {
  return {
    async connect() {
      const { Redis } = await import("ioredis");
      const client = new Redis({ path: join(folder, "socket"), retryStrategy: () => 10 });
      client.on("error", () => {});
      for (let i = 0; client.status !== "ready"; i++) {
        if (i === TRIES) throw new Error("expected the server of Redis to answer");
        await delay(10);
      }
      return client;
    },
  };
}

/** Starts a server that appends each change to its file, and has it on the disk within a second. @param {string} folder */
async function start(folder) {
  mkdirSync(folder, { recursive: true });
  const settings = ["--port 0", `--unixsocket ${join(folder, "socket")}`, `--dir ${folder}`, "--save"];
  const args = [
    ...settings.flatMap((each) => each.split(" ")),
    "",
    "--appendonly",
    "yes",
    "--appendfsync",
    "everysec",
  ];
  const child = spawn("redis-server", args, { stdio: "ignore" });
  return {
    ...at(folder),
    async stop() {
      child.kill("SIGKILL");
    },
  };
}

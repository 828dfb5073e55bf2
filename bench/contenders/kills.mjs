import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { connect, listen } from "../../dist/index.js";
import { End } from "../lib/end.mjs";

/*
 * How soon a process hears that its peer was killed. It kills the peer itself, and reads the clock before the system call; both sides
 * have nothing else to do. A part of that is the kernel's: the last thread of the killed process must run to close its descriptors.
 * The socket of node:net shows how much.
 */

/** Kills, for a figure of which a hundredth still means five. */
const KILLS = 500;
const QUICK_KILLS = 20;
/** Peers that are there at a time. */
const BATCH = 10;
/** Busy processes beside them. */
const BUSY = 6;

/** @param {"ringbell" | "net-unix"} peer @param {boolean} busy @returns {import("../lib/contender.mjs").Contender} */
function kills(peer, busy) {
  return {
    name: `${peer}:kills${busy ? ":busy" : ""}`,
    peer,
    title: `${peer === "ringbell" ? "ringbell" : "node:net, Unix socket"}${busy ? `, beside ${BUSY} busy processes` : ""}`,
    facts: { kind: "kills" },
    thorough: true,
    rounds: 1,
    patience: 600,
    async start({ quick, directory }) {
      // Not pinned: the busy processes and the killed ones are to have every core.
      const survivor = await End.start(import.meta.url, "survive", { peer, busy, directory }, undefined);
      const count = quick ? QUICK_KILLS : KILLS;
      return {
        warmUp: () => survivor.ask("batch", BATCH),
        async round() {
          /** @type {number[]} */
          const times = [];
          const start = performance.now();
          while (times.length < count) times.push(...(await survivor.ask("batch", BATCH)));
          times.sort((a, b) => a - b);
          const at = (/** @type {number} */ part) => times[Math.ceil(times.length * part) - 1] ?? 0;
          return {
            p50: at(0.5),
            p99: at(0.99),
            max: at(1),
            samples: times.length,
            seconds: (performance.now() - start) / 1000,
          };
        },
        constants: () => ({ count }),
        stop: () => survivor.close(),
      };
    },
  };
}

export const killed = kills("ringbell", false);
export const killedBusy = kills("ringbell", true);
export const killedSocket = kills("net-unix", false);
export const killedSocketBusy = kills("net-unix", true);

/**
 * @typedef {object} Victim
 * @property {import("node:child_process").ChildProcess} child
 * @property {() => Promise<number>} heard  Resolves with the time when its end was heard of.
 */

/** @param {{ peer: "ringbell" | "net-unix", busy: boolean, directory: string }} options */
export async function survive({ peer, busy, directory }) {
  const path = join(directory, `kills-${process.pid}`);
  const { meet, close } = peer === "ringbell" ? await byRingbell(path) : await bySocket(path);
  const load = busy ? Array.from({ length: BUSY }, () => spawn(process.execPath, ["-e", "for (;;);"])) : [];
  for (const { pid } of load) process.kill(/** @type {number} */ (pid), "SIGSTOP");
  const signal = (/** @type {NodeJS.Signals} */ name) => load.map((child) => child.kill(name));
  return {
    /** @param {number} count */
    async batch(count) {
      /** @type {Victim[]} */
      const victims = [];
      for (let i = 0; i < count; i++) {
        const child = spawn(process.execPath, [new URL(import.meta.url).pathname, peer, path], {
          stdio: "ignore",
        });
        victims.push({ child, heard: await meet() });
      }
      signal("SIGCONT");
      const times = [];
      for (const { child, heard } of victims) {
        const heardOf = heard();
        const begin = performance.now();
        child.kill("SIGKILL");
        times.push(((await heardOf) - begin) * 1e6);
        if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      }
      signal("SIGSTOP");
      return times;
    },
    async close() {
      signal("SIGKILL");
      await close();
    },
  };
}

/** @param {string} path */
async function byRingbell(path) {
  const server = await listen(path);
  return {
    async meet() {
      const channel = await server.accept();
      channel.on("message", () => {});
      return () => channel.closed.then(() => performance.now());
    },
    close: () => server.close(),
  };
}

/** @param {string} path */
async function bySocket(path) {
  const server = createServer().listen(path);
  await once(server, "listening");
  return {
    async meet() {
      const [socket] = await once(server, "connection");
      socket.on("error", () => {}).resume();
      return () => once(socket, "close").then(() => performance.now());
    },
    close: async () => void server.close(),
  };
}

// The process that is killed.
if (process.argv[1] === new URL(import.meta.url).pathname) {
  const [, , peer = "", path = ""] = process.argv;
  if (peer === "ringbell") {
    (await connect(path)).on("message", () => {});
  } else {
    const { connect: dial } = await import("node:net");
    dial(path).resume();
  }
}

import { once } from "node:events";
import { createServer, connect as dial } from "node:net";
import { join } from "node:path";
import { createHistogram } from "node:perf_hooks";
import { setImmediate as turn } from "node:timers/promises";
import { group } from "../lib/group.mjs";
import { distribution } from "../lib/percentiles.mjs";
import { NAMESPACE, SHARED } from "../lib/ringbell.mjs";

/*
 * A token from the program that makes it to the loop of an interface in another process, 2,000 a second. The program sleeps in a system call
 * between two tokens, to the microsecond; so does the interface, unless it spins. The time is taken from right before the token is sent.
 */

const RATE = 2000;
const SESSION = new URL("../../dist/session/index.js", import.meta.url).href;

/** @typedef {{ way: "session" | "net", spin?: number, endpoint: string, directory: string }} Options */

/** @param {string} name @param {string} title @param {Pick<Options, "way" | "spin">} options */
const tokens = (name, title, options) =>
  group({
    name,
    title,
    file: import.meta.url,
    options,
    count: RATE,
    facts: { kind: "paced", rate: RATE, bytes: 60 },
  });

export const session = tokens("session-token", "ringbell/session", { way: "session" });
export const spinning = tokens("session-token-spin", "ringbell/session, spin: 1000", {
  way: "session",
  spin: 1000,
});
export const net = tokens("net-token", "node:net, Unix socket, lines of JSON", { way: "net" });

/** @param {Options} options */
export async function serve(options) {
  const { send, close } = options.way === "net" ? await serveNet(options) : await serveSession(options);
  return {
    arm: () => {},
    async round(/** @type {number} */ count) {
      const cell = new Int32Array(new SharedArrayBuffer(4));
      const before = process.cpuUsage();
      const begin = performance.now();
      for (let i = 0; i < count; i++) {
        const left = begin + (i * 1e3) / RATE - performance.now();
        if (left > 0) Atomics.wait(cell, 0, 0, left);
        send({ token: "and so it goes on", at: nanoseconds(), n: i });
        await turn();
      }
      return { servedCpu: cpuSince(before, begin) };
    },
    close,
  };
}

/** @param {Options} options */
export async function drive(options) {
  const { take, close } = options.way === "net" ? await driveNet(options) : await driveSession(options);
  return {
    async round(/** @type {number} */ count) {
      const each = createHistogram();
      const before = process.cpuUsage();
      const begin = performance.now();
      let next = 0;
      await take((/** @type {{ at: number, n: number }} */ { at, n }) => {
        each.record(Math.max(1, nanoseconds() - at));
        if (n !== next++) throw new Error(`token ${n} came instead of ${next - 1}`);
        return next === count;
      });
      return {
        ns: each.mean,
        ...distribution(each),
        drivenCpu: cpuSince(before, begin),
        seconds: (performance.now() - begin) / 1e3,
      };
    },
    close,
  };
}

/** By the clock that all processes have in common. */
const nanoseconds = () => Number(process.hrtime.bigint() % 1_000_000_000_000n);

/** The part of a core that was used. @param {NodeJS.CpuUsage} before @param {number} begin */
function cpuSince(before, begin) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e3 / (performance.now() - begin);
}

/** @param {Options} options */
async function serveSession({ endpoint, directory, spin }) {
  const { serveSession } = await import(SESSION);
  const more = spin === undefined ? {} : { spin };
  const made = await serveSession(endpoint, { directory, namespace: NAMESPACE, ...SHARED, ...more });
  return { send: (/** @type {object} */ token) => made.append(token), close: () => made.close({ grace: 0 }) };
}

/** @param {Options} options */
async function driveSession({ endpoint, directory, spin }) {
  const { attach } = await import(SESSION);
  const more = spin === undefined ? {} : { spin };
  const attached = await attach(endpoint, { directory, namespace: NAMESPACE, from: "live", ...more });
  return {
    async take(/** @type {(token: any) => boolean} */ took) {
      for await (const { event } of attached) if (took(event)) return;
    },
    close: () => attached.close(),
  };
}

/** @param {Options} options */
async function serveNet({ endpoint, directory }) {
  /** @type {Set<import("node:net").Socket>} */
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  }).listen(join(directory, endpoint));
  await once(server, "listening");
  return {
    send(/** @type {object} */ token) {
      const line = `${JSON.stringify(token)}\n`;
      for (const socket of sockets) socket.write(line);
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** @param {Options} options */
async function driveNet({ endpoint, directory }) {
  const socket = dial(join(directory, endpoint)).setEncoding("utf8");
  await once(socket, "connect");
  return {
    take: (/** @type {(token: any) => boolean} */ took) =>
      new Promise((resolve, reject) => {
        let rest = "";
        const heard = (/** @type {string} */ text) => {
          const lines = (rest + text).split("\n");
          rest = lines.pop() ?? "";
          try {
            if (!lines.some((line) => took(JSON.parse(line)))) return;
          } catch (error) {
            reject(error);
          }
          socket.off("data", heard);
          resolve(undefined);
        };
        socket.on("data", heard);
      }),
    close: () => socket.destroy(),
  };
}

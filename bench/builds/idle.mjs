import { setTimeout as delay } from "node:timers/promises";
import { startPair } from "../lib/pair.mjs";
import { memoryOf, requireProc } from "../lib/proc.mjs";
import { listening } from "../lib/ringbell.mjs";
import { firstReply } from "./first-reply.mjs";

/** Channels that are opened to weigh them, and how long they are left to come to rest, ms. */
const CHANNELS = 50;
const REST = 100;

/**
 * What an idle channel takes of memory in both processes, after one message there and back: the growth by some of them.
 * @param {{ name: string, title: string, options: Record<string, unknown> }} description
 * @returns {import("../lib/contender.mjs").Contender}
 */
export function idle({ name, title, options }) {
  return {
    name,
    title,
    async start({ cores, directory }) {
      requireProc();
      const { server, driver, stop } = await startPair(
        import.meta.url,
        { ...options, endpoint: name, directory },
        cores,
      );
      const pids = await Promise.all([server, driver].map((end) => end.ask("pid")));
      return {
        // What there is once, however many channels there are, was taken for these.
        async warmUp() {
          await driver.ask("open", CHANNELS);
        },
        async round() {
          const before = memoryOf(pids);
          await driver.ask("open", CHANNELS);
          await delay(REST);
          return { memoryBytes: (memoryOf(pids) - before) / CHANNELS };
        },
        stop,
      };
    },
  };
}

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function serve(options) {
  const { server } = await listening(options);
  server.on("connection", (/** @type {any} */ channel) => {
    channel.on("message", (/** @type {unknown} */ message) => channel.trySend(message));
  });
  return { pid: () => process.pid, close: () => server.close() };
}

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function drive(options) {
  /** @type {any[]} */
  const channels = [];
  return {
    pid: () => process.pid,
    async open(/** @type {number} */ count) {
      for (let i = 0; i < count; i++) channels.push(await firstReply(options));
    },
    close: () => Promise.all(channels.map((channel) => channel.close())),
  };
}

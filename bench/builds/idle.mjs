import { setTimeout as delay } from "node:timers/promises";
import { libraryOf } from "../lib/library.mjs";
import { messages } from "../lib/messages.mjs";
import { startPair } from "../lib/pair.mjs";
import { memoryOf, requireProc } from "../lib/proc.mjs";
import { listening } from "../lib/ringbell.mjs";
import { firstReply } from "./first-reply.mjs";

/** Channels that are opened to weigh them, and how long they are left to come to rest, ms: after one message, and after a burst. */
const CHANNELS = 50;
/** More have a burst, since the memory that an engine keeps for itself after one differs by megabytes. */
const BURSTING = 200;
const REST = 100;
const LONG_REST = 10_000;
/** Messages of a burst: more than a ring holds. */
const BURST = 12_000;
/** The young generation of the engine belongs to the process, and garbage to nobody. */
const FLAGS = ["--expose-gc", "--max-semi-space-size=1"];

/**
 * What an idle channel takes of memory in both processes, after one message there and back, or a burst: the growth by some of them.
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
        { serve: { flags: FLAGS }, drive: { flags: FLAGS } },
      );
      const collect = () => Promise.all([server, driver].map((end) => end.ask("collect")));
      const pids = await Promise.all([server, driver].map((end) => end.ask("pid")));
      return {
        // What there is once, however many channels there are, was taken for these.
        async warmUp() {
          await driver.ask("open", CHANNELS);
          if (options.burst !== true) return;
          await driver.ask("burst");
          await delay(LONG_REST);
        },
        async round() {
          await collect();
          const before = memoryOf(pids);
          const count = options.burst === true ? BURSTING : Number(options.channels ?? CHANNELS);
          await driver.ask("open", count);
          if (options.burst === true) await driver.ask("burst");
          await delay(options.burst === true ? LONG_REST : REST);
          await collect();
          return { memoryBytes: (memoryOf(pids) - before) / count };
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
  return { pid: () => process.pid, collect, close: () => server.close() };
}

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function drive(options) {
  /** @type {any[]} */
  const channels = [];
  return {
    pid: () => process.pid,
    collect,
    async open(/** @type {number} */ count) {
      for (let i = 0; i < count; i++) channels.push(await firstReply(options));
    },
    async burst() {
      const kind = messages(options.codec, await libraryOf(options), options.bytes);
      for (const channel of channels.slice(-BURSTING)) {
        for (let i = 0; i < BURST; i++) channel.trySend(kind.make(i));
        await channel.flush();
        // The server's answers, as many as its ring held.
        while (channel.tryReceive() !== undefined);
      }
    },
    close: () => Promise.all(channels.map((channel) => channel.close())),
  };
}

function collect() {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
}

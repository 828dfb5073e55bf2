import { setImmediate as nextTurn } from "node:timers/promises";
import { End } from "../lib/end.mjs";
import { LoopWatch } from "../lib/loop-watch.mjs";
import { connecting, listening } from "../lib/ringbell.mjs";

/**
 * @typedef {object} Flood
 * @property {number} channels  From one process.
 * @property {number} work  How long the listener takes for each message, at least, ns.
 * @property {boolean} answers  Whether it answers each.
 * @property {"shm" | "stream"} [transport]
 */

/**
 * A peer that sends without a pause, and what is left of the receiver's event loop for timers and sockets.
 * @param {string} name
 * @param {string} title
 * @param {Flood | undefined} load  Undefined: nothing is sent.
 * @returns {import("../lib/contender.mjs").Contender}
 */
function watched(name, title, load) {
  return {
    name,
    peer: "ringbell",
    title,
    async start({ cores, seconds, directory }) {
      const { transport = "shm", ...rest } = load ?? NOTHING;
      const how = { listening: { transport }, connecting: { transport } };
      const options = { codec: "struct", endpoint: name, directory, ...how, ...rest };
      const server = await End.start(import.meta.url, "serve", options, cores && [cores[1]]);
      const driver = await End.start(import.meta.url, "drive", options, cores && [cores[0]]).catch(
        async (error) => {
          await server.stop();
          throw error;
        },
      );
      const round = async () => {
        // The flood begins before the watch and outlasts it.
        const flood = load ? driver.ask("flood", seconds * 1.2 + 0.1) : undefined;
        const [figures, sent] = await Promise.all([server.ask("watch", seconds), flood]);
        // What is still to be handled would disturb the round of another.
        if (sent !== undefined) await server.ask("handled", sent);
        return figures;
      };
      return {
        warmUp: () => round(),
        round,
        async stop() {
          await driver.close();
          await server.close();
        },
      };
    },
  };
}

/** @type {Flood} */
const NOTHING = { channels: 1, work: 0, answers: false };

export const quiet = watched("quiet", "ringbell, channel idle", undefined);
export const flood = watched("flood", "ringbell, trySend in a loop", NOTHING);
export const answered = watched("flood-answered", "the same, the listener takes 300 ns and answers", {
  channels: 1,
  work: 300,
  answers: true,
});
export const eight = watched("flood-eight", "eight channels, the listener takes 20 µs", {
  channels: 8,
  work: 20_000,
  answers: false,
});

export const streaming = watched("flood-stream", 'eight channels, 300 ns and answers, transport: "stream"', {
  channels: 8,
  work: 300,
  answers: true,
  transport: "stream",
});

/** @param {import("../lib/ringbell.mjs").Options & Flood} options */
export async function serve(options) {
  const { server } = await listening(options);
  const watch = await LoopWatch.start();
  const { answers } = options;
  const work = options.work / 1e6;
  let handled = 0;
  let settled = 0;
  void (async () => {
    for await (const channel of server) {
      channel.on("message", (message) => {
        if (work > 0) for (const end = performance.now() + work; performance.now() < end; );
        if (answers) channel.trySend(message);
        handled++;
      });
    }
  })();
  return {
    async watch(/** @type {number} */ seconds) {
      const before = handled;
      const figures = await watch.during(seconds);
      return { ...figures, perSecond: (handled - before) / figures.seconds };
    },
    /** Resolves when so many more were handled since this was last called. */
    async handled(/** @type {number} */ count) {
      settled += count;
      while (handled < settled) await nextTurn();
    },
    close() {
      watch.close();
      return server.close();
    },
  };
}

/** @param {import("../lib/ringbell.mjs").Options & Flood} options */
export async function drive(options) {
  const opened = await Promise.all(Array.from({ length: options.channels }, () => connecting(options)));
  const channels = opened.map(({ channel }) => channel);
  const { make } = /** @type {(typeof opened)[0]} */ (opened[0]).messages;
  return {
    async flood(/** @type {number} */ seconds) {
      const end = performance.now() + seconds * 1000;
      let sent = 0;
      for (let i = 0; (i & 1023) !== 0 || performance.now() < end; i++) {
        for (const channel of channels) {
          if (channel.trySend(make(i))) sent++;
          if (options.answers) channel.tryReceive();
        }
      }
      await Promise.all(channels.map((channel) => channel.flush()));
      return sent;
    },
    close: () => Promise.all(channels.map((channel) => channel.close())),
  };
}

import { End } from "../lib/end.mjs";
import { LoopWatch } from "../lib/loop-watch.mjs";
import { connecting, listening } from "../lib/ringbell.mjs";

/**
 * @typedef {object} Flood
 * @property {number} channels  From one process.
 * @property {number} work  How long the listener takes for each message, at least, ns.
 * @property {boolean} answers  Whether it answers each.
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
      const options = { codec: "struct", endpoint: name, directory, ...(load ?? NOTHING) };
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
        const [figures] = await Promise.all([server.ask("watch", seconds), flood]);
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

/** @param {import("../lib/ringbell.mjs").Options & Flood} options */
export async function serve(options) {
  const { server } = await listening(options);
  const watch = await LoopWatch.start();
  const { answers } = options;
  const work = options.work / 1e6;
  let messages = 0;
  void (async () => {
    for await (const channel of server) {
      channel.on("message", (message) => {
        messages++;
        if (work > 0) for (const end = performance.now() + work; performance.now() < end; );
        if (answers) channel.trySend(message);
      });
    }
  })();
  return {
    async watch(/** @type {number} */ seconds) {
      messages = 0;
      const figures = await watch.during(seconds);
      return { ...figures, perSecond: messages / figures.seconds };
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
      for (let i = 0; (i & 1023) !== 0 || performance.now() < end; i++) {
        for (const channel of channels) {
          channel.trySend(make(i));
          if (options.answers) channel.tryReceive();
        }
      }
      // What is still to be handled would disturb the round of another.
      await Promise.all(channels.map((channel) => channel.flush()));
    },
    close: () => Promise.all(channels.map((channel) => channel.close())),
  };
}

import { End } from "../lib/end.mjs";
import { LoopWatch } from "../lib/loop-watch.mjs";
import { connecting, listening } from "../lib/ringbell.mjs";

/**
 * A peer that sends without a pause, and what is left of the receiver's event loop for timers and sockets.
 * @param {string} name
 * @param {string} title
 * @param {boolean} flooding
 * @returns {import("../lib/contender.mjs").Contender}
 */
function watched(name, title, flooding) {
  return {
    name,
    peer: "ringbell",
    title,
    async start({ cores, seconds, directory }) {
      const options = { codec: "struct", endpoint: name, directory };
      const server = await End.start(import.meta.url, "serve", options, cores && [cores[1]]);
      const driver = await End.start(import.meta.url, "drive", options, cores && [cores[0]]).catch(
        async (error) => {
          await server.stop();
          throw error;
        },
      );
      const round = async () => {
        // The flood begins before the watch and outlasts it.
        const flood = flooding ? driver.ask("flood", seconds * 1.2 + 0.1) : undefined;
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

export const quiet = watched("quiet", "ringbell, channel idle", false);
export const flood = watched("flood", "ringbell, trySend in a loop", true);

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function serve(options) {
  const { server } = await listening(options);
  const watch = await LoopWatch.start();
  let messages = 0;
  void (async () => {
    for await (const channel of server) {
      channel.on("message", () => {
        messages++;
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

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function drive(options) {
  const { channel, messages } = await connecting(options);
  return {
    flood(/** @type {number} */ seconds) {
      const end = performance.now() + seconds * 1000;
      for (let i = 0; (i & 1023) !== 0 || performance.now() < end; i++) channel.trySend(messages.make(i));
    },
    close: () => channel.close(),
  };
}

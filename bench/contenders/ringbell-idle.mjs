import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { End } from "../lib/end.mjs";
import { ticks } from "../lib/proc.mjs";
import { listening } from "../lib/ringbell.mjs";
import { CHANNELS } from "./ringbell-crowd.mjs";

const CROWD = new URL("../lib/crowd.mjs", import.meta.url).href;

/** How long one window is, s, and how many there are. */
const WINDOW = 10;
const WINDOWS = 5;
/**
 * After the channels were made, ms. V8 collects garbage of its own accord some 8 s after a burst of work, with or without channels:
 * a Node process that has none spends 30 ms on it, at another time in each run. What is asked here is what waiting costs: the median of several
 * windows, into one of which that may fall all the same.
 */
const SETTLE = 15_000;
/** A tick of /proc, ms: USER_HZ is 100 on every architecture that Node runs on. */
const TICK = 10;

/**
 * A process that holds idle channels, each with a handler for messages: what does it cost to wait?
 * @type {import("../lib/contender.mjs").Contender}
 */
export const idle = {
  name: "idle",
  peer: "ringbell",
  title: `ringbell, ${CHANNELS.toLocaleString("en-US")} idle channels`,
  rounds: WINDOWS,
  // A thousand channels are made, then left alone for a while.
  patience: 60,
  // Less than ten seconds would be something else.
  thorough: true,
  async start({ cores, directory }) {
    const options = { codec: "struct", endpoint: "idle", directory };
    const server = await End.start(import.meta.url, "serve", options, cores && [cores[1]]);
    const others = await End.start(CROWD, "crowd", { ...options, channels: CHANNELS }, cores).catch(
      async (error) => {
        await server.stop();
        throw error;
      },
    );
    return {
      warmUp: () => delay(SETTLE),
      round: () => server.ask("round"),
      constants: () => ({ channels: CHANNELS }),
      async stop() {
        await others.close();
        await server.close();
      },
    };
  },
};

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function serve(options) {
  const { server } = await listening(options);
  let channels = 0;
  void (async () => {
    for await (const channel of server) {
      channels++;
      channel.on("message", () => {});
    }
  })();
  return {
    async round() {
      if (channels !== CHANNELS) throw new Error(`${channels} channels instead of ${CHANNELS}`);
      const ticksBefore = procTicks();
      const before = process.cpuUsage();
      await delay(WINDOW * 1000);
      const { user, system } = process.cpuUsage(before);
      return {
        cpuMs: (user + system) / 1000,
        ...(ticksBefore === undefined ? {} : { procMs: ((procTicks() ?? 0) - ticksBefore) * TICK }),
        seconds: WINDOW,
      };
    },
    close: () => server.close(),
  };
}

/** User and system time of this process as the kernel counts it; undefined where there is no /proc. */
function procTicks() {
  try {
    return ticks(readFileSync("/proc/self/stat", "utf8"));
  } catch {
    return undefined;
  }
}

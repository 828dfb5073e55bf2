import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { End } from "../lib/end.mjs";
import { listening } from "../lib/ringbell.mjs";
import { CHANNELS } from "./ringbell-crowd.mjs";

const CROWD = new URL("../lib/crowd.mjs", import.meta.url).href;

/** The unit in which the result is given, s: CPU time per 10 s. */
const PER_SECONDS = 10;
/**
 * After the channels were made, ms. V8 collects garbage of its own accord some 8 s after a burst of work, with or without channels:
 * a Node process that has none spends 30 ms on it, at another time in each run. What is asked here is what waiting costs.
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
  title: `ringbell, ${CHANNELS.toLocaleString("en-US")} idle channels`,
  rounds: 1,
  async start({ cores, quick, directory }) {
    const seconds = quick ? 4 : PER_SECONDS;
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
      round: () => server.ask("round", seconds),
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
    async round(/** @type {number} */ seconds) {
      if (channels !== CHANNELS) throw new Error(`${channels} channels instead of ${CHANNELS}`);
      const ticks = procTicks();
      const before = process.cpuUsage();
      await delay(seconds * 1000);
      const { user, system } = process.cpuUsage(before);
      const scale = PER_SECONDS / seconds;
      return {
        cpuMs: ((user + system) / 1000) * scale,
        ...(ticks === undefined ? {} : { procMs: ((procTicks() ?? 0) - ticks) * TICK * scale }),
        seconds,
      };
    },
    close: () => server.close(),
  };
}

/** User and system time of this process as the kernel counts it; undefined where there is no /proc. */
function procTicks() {
  try {
    const stat = readFileSync("/proc/self/stat", "utf8");
    // The second field is a name in parentheses that may hold anything; utime and stime are the 14th and 15th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return undefined;
  }
}

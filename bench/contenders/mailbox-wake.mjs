import { createHistogram } from "node:perf_hooks";
import { member, mustHaveSqlite } from "../lib/mailbox-member.mjs";
import { startPair } from "../lib/pair.mjs";
import { distribution } from "../lib/percentiles.mjs";

/* From the call of `post` to the return of `wait` in another process that has fallen asleep. */

/** Between two posts, in ms: far longer than either side looks for messages before it sleeps. */
const PAUSE = 5;
const PART = 0.5;

/** @type {import("../lib/contender.mjs").Contender} */
export const wake = {
  name: "mailbox-wake",
  peer: "ringbell-mailbox",
  title: "mailboxes, SQLite, durability process",
  facts: { kind: "wake" },
  async start({ cores, seconds, directory }) {
    await mustHaveSqlite();
    const options = { endpoint: "mailbox-wake", directory };
    const { server, driver, stop } = await startPair(import.meta.url, options, cores);
    const round = async (/** @type {number} */ count) => {
      const begin = performance.now();
      const [, times] = await Promise.all([
        server.ask("postTimes", count, PAUSE),
        driver.ask("takeTimes", count),
      ]);
      const each = createHistogram();
      for (const ns of times) each.record(ns);
      return { ...distribution(each), seconds: (performance.now() - begin) / 1000 };
    };
    const count = Math.ceil((seconds * PART * 1000) / PAUSE);
    return {
      warmUp: async () => void (await round(count)),
      round: () => round(count),
      constants: () => ({ count, pause: PAUSE }),
      stop,
    };
  },
};

export const serve = member;
export const drive = member;

import { createHistogram } from "node:perf_hooks";
import { distribution } from "../lib/percentiles.mjs";
import { firstReply } from "./first-reply.mjs";

// From `connect` to the first reply, one connection after the other.
export { serve } from "../contenders/ringbell-loop.mjs";

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function drive(options) {
  return {
    async round(/** @type {number} */ count) {
      const each = createHistogram();
      const begin = performance.now();
      for (let i = 0; i < count; i++) {
        const start = performance.now();
        const channel = await firstReply(options);
        each.record(Math.max(1, Math.round((performance.now() - start) * 1e6)));
        await channel.close();
      }
      return { ...distribution(each), seconds: (performance.now() - begin) / 1e3 };
    },
    close() {},
  };
}

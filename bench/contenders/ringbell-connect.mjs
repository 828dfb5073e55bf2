import { createHistogram } from "node:perf_hooks";
import { pair } from "../lib/pair.mjs";
import { connecting, listening } from "../lib/ringbell.mjs";

/**
 * One connection after the other, each closed before the next.
 * @param {string} name
 * @param {string} what
 * @param {Record<string, unknown>} [more] further options at both ends
 */
function connects(name, what, more = {}) {
  return pair({
    name,
    peer: "ringbell",
    title: `ringbell, ${what}`,
    file: import.meta.url,
    options: { codec: "struct", listening: more, connecting: more },
  });
}

export const connectDefault = connects("connect", "default options");
export const connectNamed = connects("connect-named", 'backing: "named"', { backing: "named" });
export const connectSealed = connects("connect-sealed", 'backing: "sealed"', { backing: "sealed" });

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function serve(options) {
  const { server } = await listening(options);
  void (async () => {
    for await (const channel of server) channel.on("message", () => {});
  })();
  return { round() {}, close: () => server.close() };
}

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function drive(options) {
  return {
    async round(/** @type {number} */ count) {
      const each = createHistogram();
      const start = performance.now();
      for (let i = 0; i < count; i++) {
        const begin = performance.now();
        const { channel } = await connecting(options);
        each.record(Math.round((performance.now() - begin) * 1e6));
        await channel.close();
      }
      return {
        p50: each.percentile(50),
        p99: each.percentile(99),
        samples: each.count,
        seconds: (performance.now() - start) / 1000,
      };
    },
    close() {},
  };
}

import { timeRoundTrips, totalRoundTrips } from "../lib/clock.mjs";
import { echoFacts } from "../lib/messages.mjs";
import { pair } from "../lib/pair.mjs";
import { accepted, connecting, expectNumber, listening } from "../lib/ringbell.mjs";

/**
 * `sendSync` and `receiveSync` at both ends: two threads that do nothing else.
 * @param {string} codec
 * @param {string} what
 */
function sync(codec, what) {
  return pair({
    name: `sync-${codec}`,
    peer: "ringbell-polling",
    title: `ringbell, both polling, ${what}`,
    file: import.meta.url,
    options: { codec },
    ...echoFacts(codec),
  });
}

export const syncStruct = sync("struct", "struct()");
export const syncBytes = sync("bytes", "bytes()");
export const syncJson = sync("json", "json()");

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function serve(options) {
  const { server } = await listening(options);
  const peer = accepted(server);
  return {
    async round(/** @type {number} */ count) {
      const channel = await peer;
      const total = totalRoundTrips(count);
      for (let i = 0; i < total; i++) {
        channel.sendSync(channel.receiveSync());
      }
    },
    close: () => server.close(),
  };
}

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function drive(options) {
  const { channel, messages } = await connecting(options);
  return {
    round: (/** @type {number} */ count) =>
      timeRoundTrips(count, (i) => {
        channel.sendSync(messages.make(i));
        expectNumber(messages.number(channel.receiveSync()), i);
      }),
    close: () => channel.close(),
  };
}

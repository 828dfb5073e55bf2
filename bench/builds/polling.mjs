import { timeRoundTrips, totalRoundTrips } from "../lib/clock.mjs";
import { accepted, connecting, expectNumber, listening } from "../lib/ringbell.mjs";

// Round trips by `trySend` and `tryReceive`, asked again and again at both ends.

/** @param {any} channel */
function received(channel) {
  for (;;) {
    const message = channel.tryReceive();
    if (message !== undefined) return message;
  }
}

/** @param {any} channel @param {any} message */
function sent(channel, message) {
  while (!channel.trySend(message));
}

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function serve(options) {
  const { server } = await listening(options);
  const peer = accepted(server);
  return {
    async round(/** @type {number} */ count) {
      const channel = await peer;
      const total = totalRoundTrips(count);
      for (let i = 0; i < total; i++) sent(channel, received(channel));
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
        sent(channel, messages.make(i));
        expectNumber(messages.number(received(channel)), i);
      }),
    close: () => channel.close(),
  };
}

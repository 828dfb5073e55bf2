import { once } from "node:events";
import { StreamTimer } from "../lib/clock.mjs";
import { pair } from "../lib/pair.mjs";
import { connecting, expectNumber, listening } from "../lib/ringbell.mjs";

/** One `trySend` a message, waiting for `drain` where there is no room; the receiver is an ordinary event handler. */
export const push = pair({
  name: "push",
  peer: "ringbell",
  title: 'ringbell, trySend → on("message"), struct()',
  file: import.meta.url,
  options: { codec: "struct" },
});

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function serve(options) {
  const { server, messages } = await listening(options);
  const timer = new StreamTimer();
  let number = 0;
  void (async () => {
    for await (const channel of server) {
      channel.on("message", (/** @type {unknown} */ message) => {
        expectNumber(messages.number(message), number++);
        timer.arrived(1);
      });
    }
  })();
  return {
    arm(/** @type {number} */ count) {
      number = 0;
      timer.arm(count);
    },
    round: () => timer.figures(),
    close: () => server.close(),
  };
}

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function drive(options) {
  const { channel, messages } = await connecting(options);
  return {
    async round(/** @type {number} */ count) {
      for (let i = 0; i < count; i++) {
        const message = messages.make(i);
        while (!channel.trySend(message)) await once(channel, "drain");
      }
    },
    close: () => channel.close(),
  };
}

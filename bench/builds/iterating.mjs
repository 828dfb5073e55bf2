import { StreamTimer } from "../lib/clock.mjs";
import { expectNumber, listening } from "../lib/ringbell.mjs";

// One way, `trySend` to a `for await` loop.
export { drive } from "../contenders/ringbell-push.mjs";

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function serve(options) {
  const { server, messages } = await listening(options);
  const timer = new StreamTimer();
  let number = 0;
  server.on("connection", async (/** @type {AsyncIterable<unknown>} */ channel) => {
    for await (const message of channel) {
      expectNumber(messages.number(message), number++);
      timer.arrived(1);
    }
  });
  return {
    arm(/** @type {number} */ count) {
      number = 0;
      timer.arm(count);
    },
    round: () => timer.figures(),
    close: () => server.close(),
  };
}

import { streamFigures } from "../lib/clock.mjs";
import { pair } from "../lib/pair.mjs";
import { accepted, connecting, expectNumber, listening } from "../lib/ringbell.mjs";

/** Messages handed over at once, and taken at once at most. */
const BATCH = 1024;

/**
 * Batches at both ends.
 * @param {string} name
 * @param {string} what
 * @param {boolean} blocking whether a full or empty ring blocks the thread; else the sender awaits, the receiver asks again
 */
function batches(name, what, blocking) {
  return pair({
    name,
    peer: "ringbell-batched",
    title: `ringbell, ${what}, struct()`,
    file: import.meta.url,
    options: { codec: "struct", blocking },
  });
}

export const many = batches("many", "sendMany → receiveMany", false);
export const manySync = batches("many-sync", "sendManySync → receiveManySync", true);

/** @param {import("../lib/ringbell.mjs").Options & { blocking: boolean }} options */
export async function serve(options) {
  const { server, messages } = await listening(options);
  const peer = accepted(server);
  return {
    async round(/** @type {number} */ count) {
      const channel = await peer;
      expectNumber(messages.number(channel.receiveSync()), 0);
      const begin = performance.now();
      let received = 1;
      while (received < count) {
        const batch = options.blocking ? channel.receiveManySync(BATCH) : channel.receiveMany(BATCH);
        for (const message of batch) expectNumber(messages.number(message), received++);
      }
      return streamFigures(count - 1, performance.now() - begin);
    },
    close: () => server.close(),
  };
}

/** @param {import("../lib/ringbell.mjs").Options & { blocking: boolean }} options */
export async function drive(options) {
  const { channel, messages } = await connecting(options);
  const batch = Array.from({ length: BATCH }, () => ({ ...messages.make(0) }));
  return {
    async round(/** @type {number} */ count) {
      for (let sent = 0; sent < count; ) {
        const length = Math.min(BATCH, count - sent);
        for (let i = 0; i < length; i++) batch[i].id = (sent + i) >>> 0;
        const due = length === BATCH ? batch : batch.slice(0, length);
        if (options.blocking) channel.sendManySync(due);
        else await channel.sendMany(due);
        sent += length;
      }
    },
    close: () => channel.close(),
  };
}

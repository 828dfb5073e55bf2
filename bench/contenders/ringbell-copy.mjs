import { connectingBulk, listeningBulk } from "../lib/bulk.mjs";
import { bulkFigures } from "../lib/clock.mjs";
import { MIB } from "../lib/memory.mjs";
import { pair } from "../lib/pair.mjs";
import { expectNumber } from "../lib/ringbell.mjs";

const BYTES = MIB;

/**
 * A Buffer of 1 MiB a message: copied into a block, handed over, copied out into a Uint8Array of the receiver's own, or seen where it is
 * until the next comes. The receiver is an ordinary event handler, the sender awaits each `send`. Timed at the sender, from the first
 * `send` until the receiver says that it has the last: the sender may run far ahead.
 * @param {string} name
 * @param {string} what
 * @param {"bytes" | "view"} there
 * @param {Record<string, unknown>} [more] options at both ends
 */
function copy(name, what, there, more = {}) {
  return pair({
    name,
    peer: "ringbell-blocks",
    title: `ringbell, send(Buffer) → on("message"), ${what}`,
    file: import.meta.url,
    options: { there, back: "number", more },
    part: 0.4,
    first: 32,
  });
}

export const copyDefault = copy("copy", "default options", "bytes");
export const copyView = copy("copy-view", "bytes({ copy: false })", "view");
export const copyLittle = copy("copy-16m", "maxBulkBytes: 16 MiB", "bytes", { maxBulkBytes: 16 * MIB });

/** @param {import("../lib/bulk.mjs").Options} options */
export async function serve(options) {
  const server = await listeningBulk(options);
  let due = 0;
  let number = 0;
  void (async () => {
    for await (const channel of server) {
      channel.on("message", (/** @type {Uint8Array} */ message) => {
        const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
        expectNumber(view.getUint32(0, true), number);
        expectNumber(view.getUint32(BYTES - 4, true), number);
        if (++number === due && !channel.trySend({ number })) throw new Error("no room for one message");
      });
    }
  })();
  return {
    arm(/** @type {number} */ count) {
      due = count;
      number = 0;
    },
    round() {},
    close: () => server.close(),
  };
}

/** @param {import("../lib/bulk.mjs").Options} options */
export async function drive(options) {
  const channel = await connectingBulk(options);
  const message = Buffer.alloc(BYTES, 1);
  return {
    async round(/** @type {number} */ count) {
      const begin = performance.now();
      for (let i = 0; i < count; i++) {
        message.writeUInt32LE(i, 0);
        message.writeUInt32LE(i, BYTES - 4);
        await channel.send(message);
      }
      expectNumber((await channel.receive()).number, count);
      return bulkFigures(count, BYTES, performance.now() - begin);
    },
    close: () => channel.close(),
  };
}

import { opened, optionsOf } from "./ringbell-peer.mjs";

/**
 * The two ends of a peer that hands over blocks: a message is `{ block }`.
 * @param {(block: any, message: Uint8Array) => void} fill  Puts a message into a block.
 * @param {boolean} home  Whether a block that is answered with the same bytes is itself sent back, else another with a copy.
 * @param {(place: import("./peer.mjs").Place) => Record<string, unknown>} [options]  Further options of both ends.
 */
export function overBlocks(fill, home, options = () => ({})) {
  return {
    /** @param {import("./peer.mjs").Place} place @param {(message: any) => any} answer */
    async serve(place, answer) {
      const { listen } = await import("../../dist/index.js");
      const server = await listen(place.endpoint, await optionsOf(place, "block", options(place)));
      server.on("connection", (/** @type {any} */ channel) => {
        const out = sender(channel, (block, message) => block.bytes.set(message));
        channel.on("message", (/** @type {any} */ message) => {
          const { bytes } = message.block;
          const reply = answer(bytes);
          if (home && reply === bytes) {
            if (!channel.trySend(message)) void channel.send(message);
            return;
          }
          // A reply that waits for a block is still to be copied out of this one.
          if (reply !== undefined && out.send(reply) === false)
            void out.ready().then(() => message.block.release());
          else message.block.release();
        });
      });
      return server;
    },

    /**
     * @param {import("./peer.mjs").Place} place
     * @param {(reply: any) => void} heard
     * @returns {Promise<import("./peer.mjs").Link>}
     */
    async drive(place, heard) {
      const channel = await opened(place, "block", options(place));
      const out = sender(channel, fill);
      channel.on("message", (/** @type {any} */ { block }) => {
        const { bytes } = block;
        // What has come home is sent again.
        if (home && bytes.length === place.bytes) {
          out.spare.push(block);
          heard(bytes);
          return;
        }
        heard(bytes);
        block.release();
      });
      return { send: out.send, ready: out.ready, close: () => channel.close() };
    },
  };
}

/**
 * @param {any} channel
 * @param {(block: any, message: Uint8Array) => void} fill
 */
function sender(channel, fill) {
  /** Blocks at hand. @type {any[]} */
  const spare = [];
  /** Messages that wait for a block or for room, and when the last of them will have gone: none overtakes another. */
  let queued = 0;
  let waiting = Promise.resolve();
  const queue = (/** @type {() => Promise<void>} */ step) => {
    queued++;
    waiting = waiting.then(step).then(() => {
      queued--;
    });
    return false;
  };
  const later = async (/** @type {Uint8Array} */ message) => {
    const block = await channel.allocate(message.length);
    fill(block, message);
    await channel.send({ block });
  };
  return {
    spare,
    /** @param {Uint8Array} message */
    send(message) {
      if (queued > 0) return queue(() => later(message));
      const block = spare.pop() ?? channel.tryAllocate(message.length);
      if (block === undefined) return queue(() => later(message));
      fill(block, message);
      return channel.trySend({ block }) || queue(() => channel.send({ block }));
    },
    ready: () => waiting,
  };
}

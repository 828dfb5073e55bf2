import { connectingBulk, listeningBulk } from "../lib/bulk.mjs";
import { bulkFigures } from "../lib/clock.mjs";
import { fill, MIB, readThrough } from "../lib/memory.mjs";
import { pair } from "../lib/pair.mjs";
import { accepted } from "../lib/ringbell.mjs";

const BYTES = 64 * MIB;

/**
 * One process fills a block and hands it over, the other reads through it and hands it back. With one block one of them works at a time, as
 * the one process of fill-alone.mjs does, but each byte crosses from the caches of one core to those of the other: what that takes
 * by itself, fill-floor shows. Who waits polls; with `receiveSync` it sleeps, as the other's work takes milliseconds, and has to be
 * woken. With two blocks one is filled while the other is read, as in a program that allocates a block for each message.
 * @param {string} name
 * @param {string} what
 * @param {{ blocks: number, polling: boolean }} options
 */
function fillHanded(name, what, options) {
  return pair({
    name,
    peer: "ringbell-blocks",
    title: `ringbell, filled here, read there, ${what}`,
    file: import.meta.url,
    options,
    part: 0.4,
    first: 4,
  });
}

export const fillPolling = fillHanded("fill-handed", "both polling", { blocks: 1, polling: true });
export const fillSleeping = fillHanded("fill-asleep", "receiveSync", { blocks: 1, polling: false });
export const fillTwo = fillHanded("fill-two", "receiveSync, two blocks", { blocks: 2, polling: false });

/** @typedef {import("../lib/bulk.mjs").Options & { blocks: number, polling: boolean }} Options */

/**
 * The next message.
 * @param {any} channel
 * @param {Options} options
 */
function next(channel, { polling }) {
  if (!polling) return channel.receiveSync();
  for (;;) {
    const message = channel.tryReceive();
    if (message !== undefined) return message;
  }
}

/** @param {Options} options */
export async function serve(options) {
  const server = await listeningBulk(options);
  const peer = accepted(server);
  return {
    async round(/** @type {number} */ count) {
      const channel = await peer;
      for (let i = 0; i < count; i++) {
        const message = next(channel, options);
        readThrough(message.block.bytes, i);
        channel.sendSync(message);
      }
    },
    close: () => server.close(),
  };
}

/** @param {Options} options */
export async function drive(options) {
  const channel = await connectingBulk(options);
  /** @type {{ block: any }[]} */
  const here = [];
  for (let i = 0; i < options.blocks; i++) here.push({ block: await channel.allocate(BYTES) });
  return {
    round(/** @type {number} */ count) {
      const begin = performance.now();
      for (let i = 0; i < count; i++) {
        const message = here.pop() ?? next(channel, options);
        fill(message.block.bytes, i);
        channel.sendSync(message);
      }
      while (here.length < options.blocks) here.push(next(channel, options));
      return bulkFigures(count, BYTES, performance.now() - begin);
    },
    close: () => channel.close(),
  };
}

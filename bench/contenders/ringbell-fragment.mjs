import { connectingBulk, listeningBulk } from "../lib/bulk.mjs";
import { KIB, MIB } from "../lib/memory.mjs";
import { startPair } from "../lib/pair.mjs";
import { randomNumbers } from "../lib/random.mjs";

const LIMIT = 512 * MIB;
const SMALLEST = KIB;
const LARGEST = 16 * MIB;
const STEPS = 100_000;
/** Steps until as much is in use as will be, and a part of the rest: an end must answer in time. */
const SETTLE = 2_000;
const PART = 5_000;
/** Of the random numbers, so that every run does the same. */
const SEED = 20_240_229;

/**
 * Blocks of random lengths, each power of two as likely as the next, allocated and released at random, so that about half the limit is in
 * use. How much memory does the channel take for that?
 * @type {import("../lib/contender.mjs").Contender}
 */
export const fragment = {
  name: "fragment",
  peer: "ringbell-blocks",
  title: "ringbell, 1 KiB to 16 MiB",
  rounds: 1,
  // A round of many steps.
  patience: 120,
  async start({ cores, quick, directory }) {
    const { driver, stop } = await startPair(
      import.meta.url,
      { endpoint: "fragment", directory, more: { maxBulkBytes: LIMIT } },
      cores,
    );
    const steps = quick ? PART : STEPS;
    return {
      warmUp: () => driver.ask("steps", SETTLE),
      async round() {
        await driver.ask("reset");
        for (let done = 0; done < steps; done += PART) await driver.ask("steps", PART);
        return driver.ask("figures");
      },
      constants: () => ({ steps, limit: LIMIT, seed: SEED }),
      stop,
    };
  },
};

/** @param {import("../lib/bulk.mjs").Options} options */
export async function serve(options) {
  const server = await listeningBulk(options);
  void (async () => {
    for await (const channel of server) channel.on("message", () => {});
  })();
  return { close: () => server.close() };
}

/** @param {import("../lib/bulk.mjs").Options} options */
export async function drive(options) {
  const channel = await connectingBulk(options);
  const random = randomNumbers(SEED);
  /** @type {any[]} */
  const blocks = [];
  let live = 0;
  let steps = 0;
  let spent = 0;
  let refused = 0;
  let sum = 0;
  let max = 0;

  const allocate = () => {
    const block = channel.tryAllocate(Math.floor(SMALLEST * (LARGEST / SMALLEST) ** random()));
    if (block === undefined) {
      refused++;
      return;
    }
    blocks.push(block);
    live += block.byteLength;
  };
  const release = () => {
    const at = Math.floor(random() * blocks.length);
    const block = blocks[at];
    const last = blocks.pop();
    if (last !== block) blocks[at] = last;
    live -= block.byteLength;
    block.release();
  };

  return {
    steps(/** @type {number} */ count) {
      for (let i = 0; i < count; i++) {
        const begin = performance.now();
        // The more there is, the likelier it is to become less.
        if (blocks.length === 0 || random() * LIMIT > live) allocate();
        else release();
        spent += performance.now() - begin;
        const part = channel.stats().bulk.allocatedBytes / live;
        sum += part;
        max = Math.max(max, part);
      }
      steps += count;
    },
    reset() {
      steps = spent = refused = sum = max = 0;
    },
    figures: () => ({ mean: sum / steps, max, refused: refused / steps, ns: (spent * 1e6) / steps, live }),
    close: () => channel.close(),
  };
}

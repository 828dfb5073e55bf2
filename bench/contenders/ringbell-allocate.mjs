import { join } from "node:path";
import { allocated, connectingBulk, listeningBulk } from "../lib/bulk.mjs";
import { calibrate, WARM_SECONDS } from "../lib/calibrate.mjs";
import { streamFigures } from "../lib/clock.mjs";
import { End } from "../lib/end.mjs";
import { size } from "../lib/format.mjs";
import { GIB, KIB, MIB } from "../lib/memory.mjs";
import { startPair } from "../lib/pair.mjs";
import { collecting, collections } from "../lib/trace-gc.mjs";

/** Of which garbage collections are counted. */
const ROUNDS = 100_000;
/** So few that there is no collection, to see what each round leaves behind. */
const FEW = 20_000;
/** Part of a round that goes through `await channel.allocate()`; and how long a round is, as a part of the usual. */
const AWAITED = 1 / 4;
const PART = 0.2;

/**
 * Allocates, writes the first byte, releases, all in one process; the peer has nothing to do. Another process does the
 * same under --trace-gc.
 * @param {string} name
 * @param {number} bytes
 * @returns {import("../lib/contender.mjs").Contender}
 */
function allocate(name, bytes) {
  return {
    name: `allocate-${name}`,
    peer: "ringbell-blocks",
    title: `ringbell, ${size(bytes)}`,
    // The warm-up counts collections, too.
    patience: 60,
    async start({ cores, seconds, directory }) {
      const options = { endpoint: `allocate-${name}`, directory, bytes, more: { maxBulkBytes: GIB } };
      const { driver, stop } = await startPair(import.meta.url, options, cores);
      const round = (/** @type {number} */ messages) => driver.ask("round", messages);
      let count = 0;
      let collected = {};
      return {
        async warmUp() {
          count = await calibrate(round, seconds * PART, { warm: WARM_SECONDS * PART });
          const file = join(directory, `allocate-${name}.gc`);
          const { launch, started } = collecting(file);
          const traced = await End.start(import.meta.url, "drive", options, cores && [cores[0]], launch);
          started();
          const garbage = await traced.ask("collect", WARM_SECONDS);
          // It ends of its own accord, and with that writes what it still has.
          await traced.ask("exit").catch(() => {});
          await traced.stop();
          collected = { ...garbage, ...collections(file) };
        },
        round: async () => ({ ...(await round(count)), ...collected }),
        constants: () => ({ count }),
        stop,
      };
    },
  };
}

export const allocate64K = allocate("64k", 64 * KIB);
export const allocate64M = allocate("64m", 64 * MIB);

/** @param {import("../lib/bulk.mjs").Options} options */
export async function serve(options) {
  const server = await listeningBulk(options);
  void (async () => {
    for await (const channel of server) channel.on("message", () => {});
  })();
  return { close: () => server.close() };
}

/** @param {import("../lib/bulk.mjs").Options & { bytes: number }} options */
export async function drive(options) {
  const channel = await connectingBulk(options);
  const lap = (/** @type {number} */ count) => {
    for (let i = 0; i < count; i++) {
      const block = allocated(channel, options.bytes);
      block.bytes[0] = i;
      block.release();
    }
  };
  const lapAwaiting = async (/** @type {number} */ count) => {
    for (let i = 0; i < count; i++) {
      const block = await channel.allocate(options.bytes);
      block.bytes[0] = i;
      block.release();
    }
  };
  return {
    async round(/** @type {number} */ count) {
      // Memory that was idle since the last round may have been given back.
      lap(1);
      const begin = performance.now();
      lap(count);
      const elapsed = performance.now() - begin;
      const awaited = Math.max(1, Math.floor(count * AWAITED));
      const beginAwaiting = performance.now();
      await lapAwaiting(awaited);
      const awaiting = performance.now() - beginAwaiting;
      return { ...streamFigures(count, elapsed), awaitNs: (awaiting * 1e6) / awaited };
    },
    /** @param {number} warm  How long the compiler has to be done, s: until then it leaves garbage of its own. */
    collect(warm) {
      const end = performance.now() + warm * 1e3;
      while (performance.now() < end) lap(FEW);
      const minor = () => globalThis.gc?.({ type: "minor" });
      minor();
      const before = process.memoryUsage().heapUsed;
      lap(FEW);
      const garbageBytes = (process.memoryUsage().heapUsed - before) / FEW;
      minor();
      lap(ROUNDS);
      minor();
      return { garbageBytes };
    },
    async exit() {
      await channel.close();
      process.exit();
    },
    close: () => channel.close(),
  };
}

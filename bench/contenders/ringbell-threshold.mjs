import { connectingBulk, listeningBulk } from "../lib/bulk.mjs";
import { calibrate } from "../lib/calibrate.mjs";
import { bulkFigures } from "../lib/clock.mjs";
import { size } from "../lib/format.mjs";
import { GIB, KIB, MIB } from "../lib/memory.mjs";
import { startPair } from "../lib/pair.mjs";
import { accepted } from "../lib/ringbell.mjs";

/**
 * The two ways a message can go. The ring is long enough for the longest; the memory for blocks is as much as a program may have in use that
 * does not let the sender run far ahead.
 */
const RING = 4 * MIB;
const WAYS = {
  ring: { capacity: RING, bulkThreshold: GIB },
  block: { capacity: RING, bulkThreshold: 0, maxBulkBytes: 16 * MIB },
};
/** @typedef {keyof typeof WAYS} Way */

/** How long each is measured, as a part of a usual round, and warmed up, s. */
const PART = 0.05;
const WARM = 0.05;
const MEASURES = /** @type {const} */ ([
  ["trip", "ring"],
  ["trip", "block"],
  ["stream", "ring"],
  ["stream", "block"],
]);

/**
 * A Buffer by the ring and by a block, where blocks begin to pay: both copy it in and out.
 * @param {string} name
 * @param {number} bytes
 * @returns {import("../lib/contender.mjs").Contender}
 */
function threshold(name, bytes) {
  return {
    name: `threshold-${name}`,
    peer: "ringbell-blocks",
    title: size(bytes),
    async start({ cores, seconds, directory }) {
      const { server, driver, stop } = await startPair(
        import.meta.url,
        { endpoint: `threshold-${name}`, directory, there: "bytes", bytes },
        cores,
      );
      const ask = async (/** @type {string} */ kind, /** @type {Way} */ way, /** @type {number} */ count) => {
        const [served, driven] = await Promise.all([
          server.ask(kind, way, count),
          driver.ask(kind, way, count),
        ]);
        return { ...served, ...driven };
      };
      /** @type {Record<string, number>} */
      const counts = {};
      return {
        async warmUp() {
          for (const [kind, way] of MEASURES) {
            counts[`${kind}-${way}`] = await calibrate((count) => ask(kind, way, count), seconds * PART, {
              first: 16,
              warm: WARM,
            });
          }
        },
        async round() {
          /** @type {import("../lib/contender.mjs").Figures} */
          const figures = {};
          for (const [kind, way] of MEASURES) {
            const { ns, bytesPerSecond } = await ask(kind, way, counts[`${kind}-${way}`] ?? 0);
            if (kind === "trip") figures[`${way}Ns`] = ns;
            else figures[`${way}PerSecond`] = bytesPerSecond;
          }
          return figures;
        },
        constants: () => ({ bytes, ...counts }),
        stop,
      };
    },
  };
}

export const thresholds = [
  threshold("4k", 4 * KIB),
  threshold("16k", 16 * KIB),
  threshold("64k", 64 * KIB),
  threshold("256k", 256 * KIB),
  threshold("1m", MIB),
];

/** @param {import("../lib/bulk.mjs").Options} options @param {Way} way */
function of(options, way) {
  return { ...options, endpoint: `${options.endpoint}-${way}`, more: WAYS[way] };
}

/** @param {import("../lib/bulk.mjs").Options & { bytes: number }} options */
export async function serve(options) {
  const servers = {
    ring: await listeningBulk(of(options, "ring")),
    block: await listeningBulk(of(options, "block")),
  };
  const peers = { ring: accepted(servers.ring), block: accepted(servers.block) };
  return {
    async trip(/** @type {Way} */ way, /** @type {number} */ count) {
      const channel = await peers[way];
      for (let i = 0; i < count; i++) channel.sendSync(channel.receiveSync());
    },
    async stream(/** @type {Way} */ way, /** @type {number} */ count) {
      const channel = await peers[way];
      channel.receiveSync();
      const begin = performance.now();
      for (let i = 1; i < count; i++) channel.receiveSync();
      return bulkFigures(count - 1, options.bytes, performance.now() - begin);
    },
    async close() {
      await servers.ring.close();
      await servers.block.close();
    },
  };
}

/** @param {import("../lib/bulk.mjs").Options & { bytes: number }} options */
export async function drive(options) {
  const channels = {
    ring: await connectingBulk(of(options, "ring")),
    block: await connectingBulk(of(options, "block")),
  };
  const message = Buffer.alloc(options.bytes, 1);
  return {
    trip(/** @type {Way} */ way, /** @type {number} */ count) {
      const channel = channels[way];
      const begin = performance.now();
      for (let i = 0; i < count; i++) {
        channel.sendSync(message);
        if (channel.receiveSync().length !== options.bytes) throw new Error("another message came back");
      }
      return bulkFigures(count, options.bytes, performance.now() - begin);
    },
    stream(/** @type {Way} */ way, /** @type {number} */ count) {
      const channel = channels[way];
      for (let i = 0; i < count; i++) channel.sendSync(message);
    },
    async close() {
      await channels.ring.close();
      await channels.block.close();
    },
  };
}

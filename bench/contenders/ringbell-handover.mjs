import { connectingBulk, listeningBulk } from "../lib/bulk.mjs";
import { oneWay, timeRoundTrips, totalRoundTrips } from "../lib/clock.mjs";
import { size } from "../lib/format.mjs";
import { expectByte, fill, filling, GIB, KIB, MIB, readThrough } from "../lib/memory.mjs";
import { pair } from "../lib/pair.mjs";
import { accepted } from "../lib/ringbell.mjs";

/**
 * One block that goes there and back, not copied; each side reads its first byte and writes it. Both ends poll. The block was filled
 * before, and the receiver has read through all of it once: what is timed begins after that first lap.
 * @param {string} name
 * @param {number} bytes
 */
function handover(name, bytes) {
  return pair({
    name: `handover-${name}`,
    peer: "ringbell-blocks",
    title: `ringbell, both polling, a block of ${size(bytes)}`,
    file: import.meta.url,
    options: { bytes, more: { maxBulkBytes: 2 * GIB } },
    part: 0.3,
  });
}

export const handover1K = handover("1k", KIB);
export const handover1M = handover("1m", MIB);
export const handover64M = handover("64m", 64 * MIB);
export const handover1G = handover("1g", GIB);

/** The number of the filling for the first lap; later ones count from 0. */
const FIRST_LAP = 7;
/** What the server adds to the first byte. */
const ANSWER = 1;

/** @param {import("../lib/bulk.mjs").Options} options */
export async function serve(options) {
  const server = await listeningBulk(options);
  const peer = accepted(server).then(async (channel) => {
    const message = await channel.receive();
    readThrough(message.block.bytes, FIRST_LAP);
    channel.sendSync(message);
    return channel;
  });
  return {
    async round(/** @type {number} */ count) {
      const channel = await peer;
      const total = totalRoundTrips(count);
      for (let i = 0; i < total; i++) {
        const message = channel.receiveSync();
        const { bytes } = message.block;
        expectByte(bytes, 0, i);
        bytes[0] = filling(i + ANSWER);
        channel.sendSync(message);
      }
    },
    close: () => server.close(),
  };
}

/** @param {import("../lib/bulk.mjs").Options & { bytes: number }} options */
export async function drive(options) {
  const channel = await connectingBulk(options);
  let message = { block: await channel.allocate(options.bytes) };
  fill(message.block.bytes, FIRST_LAP);
  channel.sendSync(message);
  message = await channel.receive();
  return {
    round: (/** @type {number} */ count) =>
      oneWay(
        timeRoundTrips(count, (i) => {
          message.block.bytes[0] = filling(i);
          channel.sendSync(message);
          message = channel.receiveSync();
          expectByte(message.block.bytes, 0, i + ANSWER);
        }),
      ),
    close: () => channel.close(),
  };
}

import { allocated, connectingBulk, listeningBulk } from "../lib/bulk.mjs";
import { timeRoundTrips, totalRoundTrips } from "../lib/clock.mjs";
import { expectByte, filling } from "../lib/memory.mjs";
import { accepted, expectNumber } from "../lib/ringbell.mjs";

// A block is allocated, its first byte written, and handed over; the other end reads the byte, releases the block and answers. Both poll.

/** @typedef {import("../lib/bulk.mjs").Options & { bytes: number }} Options */

const KINDS = /** @type {const} */ ({ there: "block", back: "number" });

/** @param {Options} options */
export async function serve(options) {
  const server = await listeningBulk({ ...options, ...KINDS });
  const peer = accepted(server);
  const answer = { number: 0 };
  return {
    async round(/** @type {number} */ count) {
      const channel = await peer;
      const total = totalRoundTrips(count);
      for (let i = 0; i < total; i++) {
        const { block } = channel.receiveSync();
        expectByte(block.bytes, 0, i);
        block.release();
        answer.number = i;
        channel.sendSync(answer);
      }
    },
    close: () => server.close(),
  };
}

/** @param {Options} options */
export async function drive(options) {
  const channel = await connectingBulk({ ...options, ...KINDS });
  const trip = (/** @type {number} */ i) => {
    const block = allocated(channel, options.bytes);
    block.bytes[0] = filling(i);
    channel.sendSync({ block });
    expectNumber(channel.receiveSync().number, i);
  };
  return {
    round: (/** @type {number} */ count) => timeRoundTrips(count, trip),
    close: () => channel.close(),
  };
}

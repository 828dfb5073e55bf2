import { bulkFigures } from "../lib/clock.mjs";
import { fill, MIB, readThrough } from "../lib/memory.mjs";
import { solo } from "../lib/solo.mjs";

const BYTES = 64 * MIB;

/** One process fills private memory and reads through it, as the two of ringbell-fill.mjs do with a block. */
export const fillAlone = solo({
  name: "fill-alone",
  peer: "fill",
  title: "one process, no channel",
  file: import.meta.url,
  part: 0.4,
  first: 4,
});

export function work() {
  const memory = Buffer.allocUnsafeSlow(BYTES);
  return {
    round(/** @type {number} */ count) {
      const begin = performance.now();
      for (let i = 0; i < count; i++) {
        fill(memory, i);
        readThrough(memory, i);
      }
      return bulkFigures(count, BYTES, performance.now() - begin);
    },
  };
}

import { RoundTripTimer, streamFigures } from "./clock.mjs";

/*
 * What the contenders of the suites `mailbox` and `mailbox-posts` have in common: the text, and how rounds are made of one operation.
 */

export const TEXT = "x".repeat(200);
const IN_FLIGHT = 256;

/** Rounds of round trips, one after the other. @param {() => Promise<string>} ask */
export function oneByOne(ask) {
  return (/** @type {number} */ count) => {
    const timer = new RoundTripTimer(() => {
      void ask().then((text) => {
        if (text !== TEXT) throw new Error(`expected the text that was posted, got ${text}`);
        timer.answered();
      });
    });
    return timer.run(count);
  };
}

/** Rounds of posts, 256 of them in flight. @param {() => Promise<unknown>} post */
export function inFlight(post) {
  return async (/** @type {number} */ count) => {
    const begin = performance.now();
    let left = count;
    const poster = async () => {
      while (left-- > 0) await post();
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, poster));
    return streamFigures(count, performance.now() - begin);
  };
}

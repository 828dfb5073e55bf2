import { RoundTripTimer, streamFigures } from "./clock.mjs";

/** A call's parameters, and its result: some 100 bytes of JSON each way. */
export const PARAMS = { text: "x".repeat(88) };
/** The calls under way of those who make many at once. */
export const IN_FLIGHT = 64;
/** The calls of the build of this checkout. */
export const RPC = new URL("../../dist/rpc/index.js", import.meta.url).href;

/** Rounds of calls, one after the other. @param {() => Promise<unknown>} ask */
export function oneByOne(ask) {
  return (/** @type {number} */ count) => {
    const timer = new RoundTripTimer(() => void ask().then(() => timer.answered()));
    return timer.run(count);
  };
}

/** Rounds of calls, many under way at once. @param {() => Promise<unknown>} ask */
export function inFlight(ask) {
  return async (/** @type {number} */ count) => {
    const begin = performance.now();
    let left = count;
    const caller = async () => {
      while (left-- > 0) await ask();
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
    return streamFigures(count, performance.now() - begin);
  };
}

import { performance as measured } from "node:perf_hooks";

/**
 * The time, and calls at a later time. Tests replace the clocks and timers of their process (Vitest, Jest, Sinon): those must not
 * decide whether messages flow or a wait ends. So this file looks for the real ones, and all others of the library use this file.
 */

// A fake puts its own `now` on the object. The prototype keeps Node's.
const real: () => number = Object.getPrototypeOf(measured).now;

/** Returns the time since the process began, in ms, with fractions. It never goes backwards. */
export function now(): number {
  return real.call(measured);
}

// A fake Date is a class in JavaScript.
const isNative = (code: unknown) => Function.prototype.toString.call(code).includes("[native code]");
const date = isNative(Date) && isNative(Date.now) ? Date.now : undefined;

/** Returns the time of day, in ms since the epoch. */
export const wallClock: () => number = date ?? (() => Math.floor(measured.timeOrigin + now()));

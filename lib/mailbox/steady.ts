import { now, wallClock } from "../clock.js";

/** The source of time of a broker, in ms since the epoch. Tests give their own. */
export type Time = () => number;

/**
 * A time of day that runs steadily: it begins with the machine's clock, or with `least` if that is later, and goes on by a clock that never
 * jumps. So a broker's leases and delays last as long as they should when somebody sets the machine's clock.
 */
export function steadyTime(least: number): Time {
  const begin = now();
  const base = Math.max(wallClock(), least);
  return () => Math.floor(base + (now() - begin));
}

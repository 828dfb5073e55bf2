/** Messages of the first attempt, unless the caller knows better. */
const FIRST = 256;
/** How long the warm-up goes on at least, s, so that all code on the way is compiled and compiled again; and in rounds, the least and the most. */
export const WARM_SECONDS = 0.3;
const WARM_ROUNDS = 0.5;
const WARM_ROUNDS_MOST = 1.5;
/** The part of a round that an attempt must last for its speed to count. */
const LONG_ENOUGH = 8;
/** Stable: so many attempts in succession whose speeds lie within this part of the fastest. */
const ATTEMPTS = 3;
const WITHIN = 0.05;
/** When to stop waiting for that, in times of what the warm-up takes at least. */
const AT_MOST = 3;

/** @type {boolean | undefined} */
let stable;

/**
 * Whether everything that was calibrated since the last call became stable; undefined if nothing was. Contenders warm up one after
 * the other.
 */
export function warmedUpStable() {
  const was = stable;
  stable = undefined;
  return was;
}

/**
 * Warms up until the speed is stable, or a limit of time is reached, and finds the number of messages with which a round takes
 * about `seconds`.
 * @param {(count: number) => Promise<{ seconds?: number }>} round
 * @param {number} seconds
 * @param {object} [start]
 * @param {number} [start.first]  Messages of the first attempt.
 * @param {number} [start.fewest]  Of any attempt, and of a round.
 * @param {number} [start.untimed]  Messages of which the time of a round says nothing: the first of a stream.
 * @param {number} [start.warm]  How long to warm up at least, s.
 */
export async function calibrate(
  round,
  seconds,
  { first = FIRST, fewest = 1, untimed = 0, warm = WARM_SECONDS } = {},
) {
  const least = Math.max(Math.min(warm, seconds * WARM_ROUNDS_MOST), seconds * WARM_ROUNDS);
  /** @type {number[]} */
  const speeds = [];
  let count = Math.max(first, fewest);
  let spent = 0;
  for (;;) {
    const { seconds: elapsed = 0 } = await round(count);
    if (elapsed < seconds / LONG_ENOUGH) {
      // Says little about the speed: a few messages may just fill a buffer.
      count *= 4;
      continue;
    }
    spent += elapsed;
    speeds.push((count - untimed) / elapsed);
    const last = speeds.slice(-ATTEMPTS);
    const wanted = (last.reduce((sum, speed) => sum + speed, 0) / last.length) * seconds;
    const steady = isStable(last);
    if (spent >= least * AT_MOST || (spent >= least && steady)) {
      stable = steady && stable !== false;
      return Math.max(fewest, Math.ceil(wanted));
    }
    count = Math.max(fewest, Math.ceil(wanted / 4));
  }
}

/** @param {readonly number[]} speeds of the last attempts */
function isStable(speeds) {
  return speeds.length === ATTEMPTS && Math.min(...speeds) >= Math.max(...speeds) * (1 - WITHIN);
}

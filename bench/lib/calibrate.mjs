/** Messages of the first attempt, unless the caller knows better. */
const FIRST = 256;
/** How long the warm-up goes on at least, s and rounds, so that all code on the way is compiled and compiled again. */
export const WARM_SECONDS = 0.3;
const WARM_ROUNDS = 0.5;
/** The part of a round that an attempt must last for its speed to count. */
const LONG_ENOUGH = 8;

/**
 * Warms up and finds the number of messages with which a round takes about `seconds`.
 * @param {(count: number) => Promise<{ seconds?: number }>} round
 * @param {number} seconds
 * @param {{ first?: number, warm?: number }} [start]  Messages of the first attempt; how long to warm up at least, s.
 */
export async function calibrate(round, seconds, { first = FIRST, warm = WARM_SECONDS } = {}) {
  const enough = Math.max(warm, seconds * WARM_ROUNDS);
  let count = first;
  let messages = 0;
  let spent = 0;
  for (;;) {
    const { seconds: elapsed = 0 } = await round(count);
    if (elapsed < seconds / LONG_ENOUGH) {
      // Says little about the speed: a few messages may just fill a buffer.
      count *= 4;
      continue;
    }
    messages += count;
    spent += elapsed;
    const wanted = (messages / spent) * seconds;
    if (spent >= enough) return Math.ceil(wanted);
    count = Math.ceil(wanted / 4);
  }
}

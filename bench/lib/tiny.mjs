import { Bench } from "tinybench";

/** Operations in one call of a task, so that the 50 ns that tinybench takes for each call do not count. */
export const BATCH = 1000;
/** Calls of a task in a round, at least. */
const LEAST = 10;
/** What comes before, as a part of the time of a round: the caches hold what others needed meanwhile. */
const WARM = 0.2;
const WARM_LEAST = 2;

/**
 * Runs tasks by tinybench, one after the other.
 * @param {Record<string, () => unknown>} tasks  Each does something `BATCH` times. The names are those of the figures.
 * @param {number} seconds  For all together.
 * @returns {import("./contender.mjs").Figures} the median over the calls, ns for one operation
 */
export function timed(tasks, seconds) {
  const names = Object.keys(tasks);
  const time = (seconds * 1e3) / names.length;
  const bench = new Bench({
    time,
    iterations: LEAST,
    warmupTime: time * WARM,
    warmupIterations: WARM_LEAST,
    throws: true,
  });
  for (const name of names) bench.add(name, /** @type {() => unknown} */ (tasks[name]));
  const figures = bench.runSync().map(({ name, result }) => {
    if (result.state !== "completed") throw new Error(`tinybench: ${name} is ${result.state}`);
    return [name, (result.latency.p50 * 1e6) / BATCH];
  });
  return { ...Object.fromEntries(figures), seconds };
}

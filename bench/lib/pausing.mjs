/**
 * A contender whose processes poll also when nothing is to be done: they are stopped while others have their turn, whose cores they would take.
 * @param {import("./contender.mjs").Running} running
 * @param {readonly number[]} pids
 * @returns {import("./contender.mjs").Running}
 */
export function pausing(running, pids) {
  /** @template T @param {() => Promise<T>} work */
  const awake = (work) => async () => {
    signal(pids, "SIGCONT");
    try {
      return await work();
    } finally {
      signal(pids, "SIGSTOP");
    }
  };
  return {
    ...running,
    warmUp: awake(running.warmUp),
    round: awake(running.round),
    stop() {
      signal(pids, "SIGCONT");
      return running.stop();
    },
  };
}

/** @param {readonly number[]} pids @param {NodeJS.Signals} name */
function signal(pids, name) {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch (error) {
      // It has ended by itself, which whoever asks it for something hears.
      if (/** @type {any} */ (error).code !== "ESRCH") throw error;
    }
  }
}

/** How many events are kept for those who attach later, and for a watcher that is slow. */
const KEPT = 100;

/**
 * What has happened, for the terminal and for any number of watchers. A watcher that is too slow loses the oldest events, and hears how many:
 * it must not hold up the work.
 */
export class Log {
  #recent = [];
  #watchers = new Set();
  #began = performance.now();
  #print;

  /** @param {(event: { at: number, agent: string, what: string }) => void} print */
  constructor(print) {
    this.#print = print;
  }

  /** @param {string} agent @param {string} what */
  add(agent, what) {
    const event = { at: Math.round(performance.now() - this.#began), agent, what };
    this.#print(event);
    this.#recent.push(event);
    if (this.#recent.length > KEPT) this.#recent.shift();
    for (const watcher of this.#watchers) watcher.add(event);
  }

  /** The recent events, and then each as it comes. @param {AbortSignal} signal */
  async *watch(signal) {
    const waiting = [...this.#recent];
    let lost = 0;
    let wake = () => {};
    const watcher = {
      add(event) {
        waiting.push(event);
        if (waiting.length > KEPT) {
          waiting.shift();
          lost++;
        }
        wake();
      },
    };
    this.#watchers.add(watcher);
    signal.addEventListener("abort", () => wake());
    try {
      while (!signal.aborted) {
        if (lost > 0) {
          yield { at: waiting[0].at, agent: "", what: `${lost} events were lost here` };
          lost = 0;
        }
        const event = waiting.shift();
        if (event !== undefined) yield event;
        else
          await new Promise((resolve) => {
            wake = () => resolve(undefined);
          });
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }
}

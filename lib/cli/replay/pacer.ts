/** Waits shorter than this (ms) are not worth a timer. */
const SHORTEST = 1;

/** Keeps the pace of a recording. */
export class Pacer {
  readonly #speed: number;
  #begin: { readonly recorded: number; readonly now: number } | undefined;
  #stopped = false;
  #wake = () => {};

  /** `speed`: how many times as fast; 0: without any wait. */
  constructor(speed: number) {
    this.#speed = speed;
  }

  /** Resolves when a message of this time (ms) is due, with true; or with false as soon as this is stopped. The first is due at once. */
  async until(time: number): Promise<boolean> {
    this.#begin ??= { recorded: time, now: performance.now() };
    if (this.#speed > 0) {
      const due = this.#begin.now + (time - this.#begin.recorded) / this.#speed;
      const wait = due - performance.now();
      if (wait >= SHORTEST && !this.#stopped) await this.#sleep(wait);
    }
    return !this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  async #sleep(wait: number): Promise<void> {
    await new Promise<void>((resolve) => {
      // A longer one would end at once. The recording may have any times.
      const timer = setTimeout(resolve, Math.min(wait, 2 ** 31 - 1));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

import { now } from "../clock.js";

/** The messages that a client may send: a bucket that fills by time, and may be in debt. */
export class Allowance {
  readonly #rate: number;
  #left: number;
  #at = now();

  /** `rate`: messages a second; twice as many at once. */
  constructor(rate: number) {
    this.#rate = rate;
    this.#left = 2 * rate;
  }

  /**
   * Takes one message off. Returns how long the client must not be read, in ms: 0 while it has some left, Infinity if its debt says that
   * it goes on though it is not read.
   */
  take(): number {
    const at = now();
    this.#left = Math.min(2 * this.#rate, this.#left + ((at - this.#at) * this.#rate) / 1000) - 1;
    this.#at = at;
    if (this.#left >= 0) return 0;
    return this.#left < -2 * this.#rate ? Number.POSITIVE_INFINITY : (1000 * -this.#left) / this.#rate;
  }

  /** Gives a message back that costs nothing. */
  give(): void {
    this.#left++;
  }
}

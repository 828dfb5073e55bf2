/** What one call adds, and how much is saved up at most: one repetition for ten calls, and ten in a row. */
const EARNED = 0.1;
const MOST = 10;
/** How often one call is made at most, the first time included. */
const TRIES = 3;

/**
 * How many calls a client may repeat. Without such a limit, clients of a service in trouble would multiply its load, and layers of
 * clients by one another.
 */
export class RetryBudget {
  #left = 1;

  /** A call is made. */
  earn(): void {
    this.#left = Math.min(MOST, this.#left + EARNED);
  }

  /** Returns whether a call that was made `tries` times may be made once more. */
  spend(tries: number): boolean {
    if (tries >= TRIES || this.#left < 1) return false;
    this.#left--;
    return true;
  }
}

import { TURN, turnIsOver } from "../transport/loop-turn.js";

/** The most messages between two looks at the clock; fewer after a slow one. */
const LONGEST_STRIDE = 64;

/** When to look at the clock, which costs as much as a short message: at every message where they are slow to handle, seldom where they are fast. */
export class Pace {
  #stride = 1;
  /** Messages that may still be taken before the next look; when the last was (ms). */
  #left = 0;
  #lookedAt = 0;

  /** A message was taken. Whether it is time to look. */
  isDue(): boolean {
    return --this.#left <= 0;
  }

  /** Whether messages are slow: each one is followed by a look. */
  get isSlow(): boolean {
    return this.#stride === 1;
  }

  /** Looks at the clock, and decides how many messages may be taken before the next look. Returns the time (ms). */
  look(): number {
    const now = performance.now();
    this.#stride = now - this.#lookedAt > TURN / 4 ? 1 : Math.min(LONGEST_STRIDE, this.#stride * 2);
    this.#lookedAt = now;
    this.#left = this.#stride;
    return now;
  }

  /** A message is about to be taken. Whether promises that go on without the event loop have used up its turn. */
  turnIsOver(): boolean {
    return this.isDue() && turnIsOver(this.look());
  }
}

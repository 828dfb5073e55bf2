import { now, wallClock } from "../clock.js";
import { TURN, turnIsOver } from "../transport/loop-turn.js";

/** The most messages between two looks at the clock. After a slow message there are fewer. */
const LONGEST_STRIDE = 64;

/**
 * Decides when to look at the clock, because a look costs as much as a short message. Slow messages are each
 * followed by a look; fast ones seldom.
 */
export class Pace {
  // No #members: see "The straight line" in docs/architecture.md.

  private stride = 1;
  /** `left` counts the messages that may still be taken before the next look; `lastLook` is the time of the last look (ms). */
  private left = 0;
  private lastLook = 0;

  /** Counts a message as taken. Returns whether it is time to look at the clock. */
  isDue(): boolean {
    return --this.left <= 0;
  }

  /** When the clock was looked at last (ms since the epoch); 0 before. */
  get lookedAt(): number {
    return this.lastLook === 0 ? 0 : wallClock() - (now() - this.lastLook);
  }

  /** Whether messages are slow, so that each one is followed by a look. */
  get isSlow(): boolean {
    return this.stride === 1;
  }

  /** Looks at the clock and decides how many messages may be taken before the next look. Returns the time (ms). */
  look(): number {
    const time = now();
    this.stride = time - this.lastLook > TURN / 4 ? 1 : Math.min(LONGEST_STRIDE, this.stride * 2);
    this.lastLook = time;
    this.left = this.stride;
    return time;
  }

  /** Counts a message that is about to be taken. Returns whether promises that run without the event loop have used up its turn. */
  turnIsOver(): boolean {
    return this.isDue() && turnIsOver(this.look());
  }
}

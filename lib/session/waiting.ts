import { clearTimeout, now, setTimeout } from "../clock.js";
import type { SessionInterface } from "./carrier.js";
import type { EventLog } from "./event-log.js";

/** What a session waits for of its interfaces: that they take what they lack. */
export class Waiting {
  readonly #log: EventLog;
  readonly #interfaces: Iterable<SessionInterface>;
  readonly #timeout: number;
  /** Called when an interface has taken something, or has gone. */
  #calls: (() => void)[] = [];
  /** Since when an interface holds up `room`. */
  readonly #since = new WeakMap<SessionInterface, number>();

  /** `timeout`: how long one interface that takes nothing is waited for, in ms. */
  constructor(log: EventLog, interfaces: Iterable<SessionInterface>, timeout: number) {
    this.#log = log;
    this.#interfaces = interfaces;
    this.#timeout = timeout;
  }

  /** Resolves when no interface is so far behind that the log may lose what it lacks, or when `isOver` says so. */
  async room(isOver: () => boolean): Promise<void> {
    while (!isOver() && this.#isHeldUp()) await this.within(Math.max(1, this.#timeout));
  }

  /** Resolves when an interface has taken something or has gone, or after `ms` ms. */
  within(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      // An interface that takes something ends the wait. The timer is for one that does not.
      const timer = setTimeout(done, ms);
      this.#calls.push(done);
    });
  }

  /** Called when an interface has taken something, or has gone. */
  goOn(attached?: SessionInterface): void {
    if (attached !== undefined) this.#since.delete(attached);
    for (const call of this.#calls.splice(0)) call();
  }

  #isHeldUp(): boolean {
    for (const one of this.#interfaces) {
      if (!this.#isFarBehind(one)) {
        this.#since.delete(one);
        continue;
      }
      const since = this.#since.get(one) ?? now();
      this.#since.set(one, since);
      if (now() - since < this.#timeout) return true;
    }
    return false;
  }

  /** Whether more than half of the log waits for the interface. */
  #isFarBehind({ feed }: SessionInterface): boolean {
    const log = this.#log;
    const { next } = feed;
    return (
      feed.isPaused &&
      next <= log.last &&
      (log.shareFrom(next) > 0.5 || (log.byteShare > 0.5 && next <= log.first + log.size / 2))
    );
  }
}

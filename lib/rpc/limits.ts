import { checkNumber, checkSignal } from "../check.js";
import { clearTimeout, now, setImmediate, setTimeout, type Timer } from "../clock.js";
import { TimeoutError } from "../errors.js";
import { offAbort, onAbort } from "../signal.js";
import type { CallOptions } from "./call.js";

/** The longest time (ms) that a timer of Node takes. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** A timer that is later than this (ms) was held up by the program's own code. */
const LATE = 10;
const MOST_GRACE = 100;

/** How long a call may last: until its signals are aborted, or its time is over. */
export class CallLimits {
  /** The time that the call has, in ms; Infinity without a limit. */
  readonly timeout: number;
  readonly #until: number;
  readonly #signals: readonly AbortSignal[];
  readonly #what: string;
  #onEnd: ((reason: unknown) => void) | undefined;
  #timer: Timer | undefined;

  /** `what`: names the call in the error. */
  constructor(what: string, { signal, timeout = Number.POSITIVE_INFINITY, call }: CallOptions<never, never>) {
    this.#what = what;
    checkSignal(signal, "options.signal");
    checkNumber(timeout, "options.timeout", Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
    this.timeout = call === undefined ? timeout : Math.min(timeout, call.timeLeft);
    this.#until = now() + this.timeout;
    this.#signals = [signal, call?.signal].filter((each) => each !== undefined);
  }

  /** What is left of the time, in ms. */
  get left(): number {
    return Math.max(0, this.#until - now());
  }

  /** Returns whether the call may not even begin, and why. */
  over(): { readonly reason: unknown } | undefined {
    const aborted = this.#signals.find((signal) => signal.aborted);
    if (aborted !== undefined) return { reason: aborted.reason };
    return this.timeout <= 0 ? { reason: this.tooLate() } : undefined;
  }

  /** Calls `onEnd` once, when the call must end. */
  start(onEnd: (reason: unknown) => void): void {
    this.#onEnd = onEnd;
    for (const signal of this.#signals) onAbort(signal, this.#aborted);
    if (this.timeout < Number.POSITIVE_INFINITY) this.#startTimer();
  }

  stop(): void {
    this.#onEnd = undefined;
    for (const signal of this.#signals) offAbort(signal, this.#aborted);
    clearTimeout(this.#timer);
  }

  readonly #aborted = () => this.#end(this.#signals.find((signal) => signal.aborted)?.reason);

  #startTimer(): void {
    this.#timer = setTimeout(() => this.#ring(), Math.min(this.#until - now(), LONGEST_TIMER)).unref();
  }

  #ring(): void {
    const late = now() - this.#until;
    if (late < 0) {
      this.#startTimer();
      return;
    }
    // An answer that has come meanwhile is read first.
    const over = () => setImmediate(() => this.#end(this.tooLate()));
    // Our own loop was late, so that reading what has come may take more than a turn.
    if (late > LATE) this.#timer = setTimeout(over, Math.min(late, MOST_GRACE)).unref();
    else over();
  }

  #end(reason: unknown): void {
    const onEnd = this.#onEnd;
    if (onEnd === undefined) return;
    this.stop();
    onEnd(reason);
  }

  /** Returns the error of a call whose time is over. */
  tooLate(): TimeoutError {
    const time = Math.max(0, Math.round(this.timeout));
    return new TimeoutError(`${this.#what} was not answered within ${time} ms`, time);
  }
}

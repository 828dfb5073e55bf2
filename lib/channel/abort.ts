import { checkNumber, checkOptions, checkSignal } from "../check.js";
import { clearTimeout, now, setTimeout, type Timer } from "../clock.js";
import { TimeoutError } from "../errors.js";
import type { WaitOptions } from "../port.js";
import { offAbort, onAbort } from "../signal.js";

/** The longest time (ms) that a timer of Node takes. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** The end of a wait before its time. */
export type Abort = AbortSignal | Deadline;

/**
 * Makes a promise that an abort can reject, with the abort's reason. `start` begins the wait and returns a
 * function that stops it; that function is called on abort only.
 */
export function abortable<T>(
  abort: Abort | undefined,
  start: (resolve: (value: T | PromiseLike<T>) => void, reject: (error: unknown) => void) => () => void,
): Promise<T> {
  if (abort === undefined) return new Promise((resolve, reject) => void start(resolve, reject));
  return new Promise((resolve, reject) => {
    if (abort.aborted) {
      reject(abort.reason);
      return;
    }
    let over = false;
    const forget = () => {
      over = true;
      if (abort instanceof Deadline) abort.stop(end);
      else offAbort(abort, end);
    };
    const end = () => {
      forget();
      stop();
      reject(abort.reason);
    };
    const stop = start(
      (value) => {
        forget();
        resolve(value);
      },
      (error) => {
        forget();
        reject(error);
      },
    );
    if (over) return;
    if (abort instanceof Deadline) abort.start(end);
    else onAbort(abort, end);
  });
}

const WAIT_OPTIONS = ["signal", "timeout"];

/**
 * Checks the options of a method that waits. Returns what ends the wait, or undefined. `missed` says in an
 * error what has not happened in time.
 */
export function abortOf(options: WaitOptions | undefined, missed: string): Abort | undefined {
  if (options === undefined) return undefined;
  checkOptions(options, WAIT_OPTIONS, "options");
  return abortFrom(options, missed);
}

/** Like `abortOf`, for options that contain others besides these. */
export function abortFrom(options: WaitOptions, missed: string): Abort | undefined {
  const signal = checkSignal(options.signal, "options.signal");
  const { timeout = Number.POSITIVE_INFINITY } = options;
  checkNumber(timeout, "options.timeout", 0, Number.POSITIVE_INFINITY);
  return timeout === Number.POSITIVE_INFINITY ? signal : new Deadline(timeout, signal, missed);
}

/**
 * Aborts when its time is over, or with its signal. Takes one listener at a time. The timer runs only while
 * there is a listener. So a wait that ends at once starts no timer, and a finished wait leaves none behind.
 * The timer does not keep the process alive; the channel decides that.
 */
class Deadline {
  readonly #timeout: number;
  readonly #until: number;
  readonly #signal: AbortSignal | undefined;
  readonly #missed: string;
  #error: TimeoutError | undefined;
  #timer: Timer | undefined;

  constructor(timeout: number, signal: AbortSignal | undefined, missed: string) {
    this.#timeout = timeout;
    this.#until = now() + timeout;
    this.#signal = signal;
    this.#missed = missed;
  }

  get aborted(): boolean {
    return this.#error !== undefined || this.#signal?.aborted === true;
  }

  get reason(): unknown {
    return this.#error ?? this.#signal?.reason;
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /** Calls the listener at the end. */
  start(listener: () => void): void {
    if (this.#signal !== undefined) onAbort(this.#signal, listener);
    this.#startTimer(listener);
  }

  stop(listener: () => void): void {
    if (this.#signal !== undefined) offAbort(this.#signal, listener);
    clearTimeout(this.#timer);
  }

  #startTimer(listener: () => void): void {
    const left = this.#until - now();
    const ring = () => {
      if (now() < this.#until) {
        this.#startTimer(listener);
        return;
      }
      this.#error = new TimeoutError(`${this.#missed} within ${this.#timeout} ms`, this.#timeout);
      listener();
    };
    this.#timer = setTimeout(ring, Math.min(left, LONGEST_TIMER)).unref();
  }
}

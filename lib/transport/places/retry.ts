import { clearTimeout, now, setTimeout } from "../../clock.js";
import { offAbort, onAbort } from "../../signal.js";
/** How often and how fast a connect is tried again. */
export interface RetryOptions {
  /** The most attempts, including the first; 1 to 1 000 000. Default 30. */
  readonly attempts?: number | undefined;
  /** The longest delay before the second attempt, in ms, 0 to 3 600 000. It doubles from attempt to attempt. Default 10. */
  readonly minDelay?: number | undefined;
  /** The longest delay before any attempt, in ms, `minDelay` to 3 600 000. Default 250, or `minDelay` if that is longer. */
  readonly maxDelay?: number | undefined;
  /** The time after the first attempt in which another may begin, in ms, 0 to 86 400 000. Default 3000. */
  readonly maxTotal?: number | undefined;
  /** Returns a number from 0 (inclusive) to 1 (exclusive). Default `Math.random`. */
  readonly random?: (() => number) | undefined;
  /** The source of time; tests may replace it. */
  readonly clock?: Clock | undefined;
}

export interface Clock {
  /** Returns milliseconds that never go back. */
  now(): number;
  /** Resolves after `delay` ms; rejects with the signal's reason if it is aborted before. */
  sleep(delay: number, signal: AbortSignal | undefined): Promise<void>;
}

export interface RetrySettings {
  readonly attempts: number;
  readonly minDelay: number;
  readonly maxDelay: number;
  readonly maxTotal: number;
  readonly random: () => number;
  readonly clock: Clock;
}

export const systemClock: Clock = {
  now: () => now(),
  sleep(delay, signal) {
    return new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer);
        reject(signal!.reason);
      };
      const timer = setTimeout(() => {
        if (signal !== undefined) offAbort(signal, stop);
        resolve();
      }, delay);
      if (signal !== undefined) onAbort(signal, stop);
    });
  },
};

/** The default of `connect`: a client that starts shortly before its listener gets through. */
export const DEFAULT_RETRY: RetrySettings = {
  attempts: 30,
  minDelay: 10,
  maxDelay: 250,
  maxTotal: 3000,
  random: Math.random,
  clock: systemClock,
};

/** The settings for a single attempt. */
export const NO_RETRY: RetrySettings = { ...DEFAULT_RETRY, attempts: 1 };

/**
 * Calls `attempt` until it resolves, `again` returns false, or the attempts or the time are used up. Then it
 * rejects with the last error. The delay between attempts is random, from 0 up to the current limit ("full
 * jitter"). So the clients of a listener that comes back do not all connect at once.
 */
export async function retrying<T>(
  settings: RetrySettings,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
  again: (error: unknown) => boolean,
): Promise<T> {
  const { clock, random } = settings;
  const begun = clock.now();
  let limit = settings.minDelay;
  for (let attempts = 1; ; attempts += 1) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (attempts >= settings.attempts || !again(error)) throw error;
      const delay = random() * Math.min(limit, settings.maxDelay);
      if (clock.now() - begun + delay > settings.maxTotal) throw error;
      await clock.sleep(delay, signal);
      limit = Math.min(limit * 2, settings.maxDelay);
    }
  }
}

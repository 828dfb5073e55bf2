/** How often and how fast something is tried again. */
export interface RetryOptions {
  /** The most tries, the first included; 1 to 1 000 000. Default 30. */
  readonly attempts?: number | undefined;
  /** The most that is waited before the second try, in ms, 0 to 3 600 000. Doubles from try to try. Default 10. */
  readonly minDelay?: number | undefined;
  /** The most that is waited before any try, in ms, at least `minDelay`, to 3 600 000. Default 250. */
  readonly maxDelay?: number | undefined;
  /** No try begins later than this after the first, in ms, 0 to 86 400 000. Default 3000. */
  readonly maxTotal?: number | undefined;
  /** A number from 0 (inclusive) to 1. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
  /** Time, for tests. */
  readonly clock?: Clock | undefined;
}

export interface Clock {
  /** Milliseconds, never going back. */
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
  now: () => performance.now(),
  sleep(delay, signal) {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal!.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, delay);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  },
};

/** What `connect` does unless told otherwise: a client that starts shortly before its listener gets through. */
export const DEFAULT_RETRY: RetrySettings = {
  attempts: 30,
  minDelay: 10,
  maxDelay: 250,
  maxTotal: 3000,
  random: Math.random,
  clock: systemClock,
};

/** One try, nothing again. */
export const NO_RETRY: RetrySettings = { ...DEFAULT_RETRY, attempts: 1 };

/**
 * Calls `attempt` until it resolves, `again` says no, or tries or time are used up; then rejects with the last error.
 * Waits between tries for a random time from 0 up to the current limit ("full jitter"), so that many clients of a
 * listener that comes back do not come in step.
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

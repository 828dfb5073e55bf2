/**
 * Makes a promise that a signal can reject, with the signal's reason. `start` begins the wait and returns a
 * function that stops it; that function is called on abort only.
 */
export function abortable<T>(
  signal: AbortSignal | undefined,
  start: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void,
): Promise<T> {
  if (signal === undefined) return new Promise((resolve, reject) => void start(resolve, reject));
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      stop();
      reject(signal.reason);
    };
    const forget = () => signal.removeEventListener("abort", onAbort);
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
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

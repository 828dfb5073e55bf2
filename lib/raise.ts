import { soonUncaught } from "./clock.js";

/**
 * Hands an error that a handler threw to the process, as an uncaught exception. That happens once the code
 * that called the handler has put itself in order and returned.
 */
export function raise(error: unknown): void {
  soonUncaught(() => {
    throw error;
  });
}

/** Calls a function of the program. An error that it throws becomes an uncaught exception, and the caller goes on. */
export function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    raise(error);
  }
}

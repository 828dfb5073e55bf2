/**
 * Hands an error that a handler threw to the process, as an uncaught exception. That happens once the code
 * that called the handler has put itself in order and returned.
 */
export function raise(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

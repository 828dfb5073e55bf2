/**
 * Sockets, locks and names in shared memory must not outlive the process. Their removal is registered here,
 * and runs when `process.exit` is called or the event loop runs dry. The next process sweeps what a killed
 * one leaves.
 */

const cleanups = new Set<() => void>();

function runAll(): void {
  for (const cleanup of cleanups) {
    try {
      cleanup();
    } catch {
      // The other cleanups must still run, and no caller is left to get the error.
    }
  }
  cleanups.clear();
}

/** Calls `cleanup` (synchronously) when the process exits. Returns a function that takes this back. */
export function atExit(cleanup: () => void): () => void {
  if (cleanups.size === 0) process.on("exit", runAll);
  cleanups.add(cleanup);
  return () => {
    cleanups.delete(cleanup);
    if (cleanups.size === 0) process.removeListener("exit", runAll);
  };
}

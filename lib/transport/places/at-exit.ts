/**
 * What must not outlive the process (sockets, locks, names in shared memory) is registered here, and removed when
 * `process.exit` is called or the event loop runs dry. What a killed process leaves is swept by the next one.
 */

const cleanups = new Set<() => void>();

function runAll(): void {
  for (const cleanup of cleanups) {
    try {
      cleanup();
    } catch {
      // The others must have their turn, and nobody is left to be told.
    }
  }
  cleanups.clear();
}

/** Has `cleanup` called (synchronously) when the process exits; returns what takes it back. */
export function atExit(cleanup: () => void): () => void {
  if (cleanups.size === 0) process.on("exit", runAll);
  cleanups.add(cleanup);
  return () => {
    cleanups.delete(cleanup);
    if (cleanups.size === 0) process.removeListener("exit", runAll);
  };
}

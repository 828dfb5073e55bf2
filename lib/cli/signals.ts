/** Resolves when the process is asked to end: by Ctrl+C, or by a SIGTERM. A second signal ends it at once. */
export function askedToEnd(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}

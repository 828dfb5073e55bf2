import { type FSWatcher, watch } from "node:fs";

/** How often (ms) to look where the kernel says nothing: of a directory that was moved, or beyond its limit of watches. */
const INTERVAL = 60_000;

/**
 * Calls `look` when something may have happened to one of the files, and once a minute. The kernel tells of
 * these files alone (inotify), so that an idle process sleeps while others work in the same directory. Keeps
 * no process alive. Returns a function that ends it.
 */
export function watchFiles(paths: readonly string[], look: () => void): () => void {
  const watchers = paths.flatMap((path) => watchFile(path, look) ?? []);
  const timer = setInterval(look, INTERVAL).unref();
  return () => {
    clearInterval(timer);
    for (const watcher of watchers) watcher.close();
  };
}

function watchFile(path: string, look: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(path, { persistent: false }, look);
    watcher.on("error", () => watcher.close());
    return watcher;
  } catch {
    return undefined; // No watch is left, or we may not read the file. The timer looks.
  }
}

import { UsageError } from "../usage-error.js";

/** Returns what `--filter` means: a text to be found, or a pattern between slashes, with flags behind it. Throws a UsageError. */
export function matcher(filter: string | undefined): (message: string) => boolean {
  if (filter === undefined) return () => true;
  const [, source, flags] = /^\/(.+)\/([imsu]*)$/s.exec(filter) ?? [];
  if (source === undefined) return (message) => message.includes(filter);
  try {
    const pattern = new RegExp(source, flags);
    return (message) => pattern.test(message);
  } catch (error) {
    throw new UsageError(`--filter is no pattern: ${(error as Error).message}`);
  }
}

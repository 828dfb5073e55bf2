import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A private directory for sockets, which goes when this process ends, also by Ctrl+C. */
export function privateDirectory() {
  const directory = mkdtempSync(join(tmpdir(), "ringbell-bench-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  for (const [signal, status] of /** @type {const} */ ([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ])) {
    process.on(signal, () => process.exit(status));
  }
  return directory;
}

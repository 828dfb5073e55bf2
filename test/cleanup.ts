import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";

/** Killed after the test. */
export const children: ChildProcess[] = [];
const disposables: { close(): Promise<unknown> }[] = [];
const directories: string[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await Promise.all(disposables.splice(0).map((each) => each.close().catch(() => {})));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** Ended after the test. */
export function ending<T extends { close(): Promise<unknown> }>(value: T): T {
  disposables.push(value);
  return value;
}

export function privateDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "ringbell-test-"));
  directories.push(directory);
  return directory;
}

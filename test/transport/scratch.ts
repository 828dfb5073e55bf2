import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A fresh directory for one test, gone after it. */
export function scratchDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "ringbell-test-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Sets environment variables for one test. */
export function withEnv(values: Record<string, string | undefined>): void {
  const before = Object.keys(values).map((key) => [key, process.env[key]] as const);
  const assign = (key: string, value: string | undefined) => {
    if (value === undefined) delete process.env[key];
    else process.env[key] = value;
  };
  for (const [key, value] of Object.entries(values)) assign(key, value);
  onTestFinished(() => {
    for (const [key, value] of before) assign(key, value);
  });
}

import { expect } from "vitest";

/** A line that `bundleSuites` prints: of a test, or at the end of the whole. */
export interface Line {
  readonly name?: string;
  readonly state?: string;
  readonly errors?: readonly string[];
  readonly total?: number;
}

/** Returns the tests that failed, after it has checked that all ran to the end. `least`: as many tests at least. */
export function failedIn(stdout: string, stderr: string, least: number): Line[] {
  const json = stdout.split("\n").filter((line) => line.startsWith("{"));
  const lines = json.map((line) => JSON.parse(line) as Line);
  expect(lines.at(-1), stderr).toMatchObject({ errors: [] });
  expect(lines.at(-1)!.total).toBeGreaterThan(least);
  return lines.filter(({ state }) => state === "fail");
}

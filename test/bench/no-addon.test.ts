import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { run } from "./run-bench.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

it("where the addon is missing, the stream is not measured in the place of shared memory", {
  timeout: 60_000,
}, async () => {
  const copy = mkdtempSync(join(tmpdir(), "ringbell-test-"));
  onTestFinished(() => rmSync(copy, { recursive: true }));
  for (const part of ["dist", "package.json", "bench"]) {
    const inPackage = (path: string) => !path.includes("node_modules");
    cpSync(join(root, part), join(copy, part), { recursive: true, filter: inPackage });
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  const { code, stdout } = await run(process.execPath, [
    join(copy, "bench/main.mjs"),
    ...["connect", "latency", "--quick", "--bare", "--peers", "connect,loop-struct,loop-stream"],
  ]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ringbell, event loop, struct\(\), transport: "stream" +\d/m);
  expect(stdout).toMatch(/^connect .* – .* NOT MEASURED$/m);
  expect(stdout).toContain("needs shared memory, which can't be had here: `npx ringbell doctor` says why");
});

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

const root = fileURLToPath(new URL("..", import.meta.url));
const PREFIX = "rbt-";

/** Before the first test, and in watch mode before each run. */
export function setup(project: TestProject): () => void {
  build();
  project.onTestsRerun(async () => build());
  return temporaryDirectory();
}

/**
 * The tests themselves load lib/, but the programs that they start load dist/, and both load the addon: what is older than its sources
 * is built now. Throws if that fails, so that no test runs over the build of yesterday. `npm run test:nodes` tests the binary in
 * prebuilds/, of which it has looked whether it is new enough; then no other is built.
 */
function build(): void {
  const steps = [
    ["build-ts.mjs", ["--if-stale"], "dist/ from lib/"],
    ["build-native.mjs", [], "the addon from native/"],
  ] as const;
  const isPrebuilt = process.env.RINGBELL_PREBUILT_ONLY === "1";
  for (const [script, options, what] of isPrebuilt ? steps.slice(0, 1) : steps) {
    const args = [join("scripts", script), ...options];
    const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
    if (status !== 0) throw new Error(`no test was run: node ${args.join(" ")} could not build ${what}`);
  }
}

/** One directory for all that the tests make in the temporary one, so that nothing is left even of runs that were killed. */
function temporaryDirectory(): () => void {
  const base = tmpdir();
  for (const name of readdirSync(base)) {
    const pid = new RegExp(`^${PREFIX}(\\d+)$`).exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid)))
      rmSync(join(base, name), { recursive: true, force: true });
  }
  const directory = join(base, `${PREFIX}${process.pid}`);
  mkdirSync(directory, { mode: 0o755 });
  process.env.TMPDIR = directory;
  return () => rmSync(directory, { recursive: true, force: true });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

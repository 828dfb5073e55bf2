import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PREFIX = "rbt-";

/** One directory for all that the tests make in the temporary one, so that nothing is left even of runs that were killed. */
export function setup(): () => void {
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

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PREFIX = "ringbell-demo-";

/**
 * Makes a private directory for the endpoints of this process, removed when the process ends, and removes those of demos
 * that were killed.
 */
export function makePlace() {
  const parent = tmpdir();
  for (const name of readdirSync(parent)) {
    const owner = /^ringbell-demo-(\d+)-\w+$/.exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) remove(join(parent, name));
  }
  const directory = mkdtempSync(join(parent, `${PREFIX}${process.pid}-`));
  process.on("exit", () => remove(directory));
  return directory;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function remove(directory) {
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch {
    // Another user's, or another demo removes it at the same time.
  }
}

import { execFile } from "node:child_process";
import { readdirSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("../../demo/team/main.mjs", import.meta.url));

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("does typed tasks by calls, cancels one, loses an agent, and lets a monitor attach (S0.41)", async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN], { timeout: 60_000 });
  expect(stderr).toBe("");
  for (const part of [
    /^mathematician │ primes below 4,000,000: \d+ %$/m,
    /^mathematician │ primes below 4,000,000: 283146$/m,
    /^mathematician │ cancelled after 700 ms, and free for the next task \d+ ms later$/m,
    /^counter {7}│ died \(SIGKILL\) at: counting; another takes over$/m,
    /^ {2}monitor {5}│ counter: died \(SIGKILL\)/m,
    /^ {2}monitor {5}│ the team has gone; \d+ events seen$/m,
    /^orchestrator {2}│ \d+ files, \d+ bytes, \d+ words, \d+ exports in/m,
  ])
    expect(stdout).toMatch(part);
  for (const member of ["hasher", "counter", "reader"])
    expect(stdout).toMatch(new RegExp(`^${member} +│ \\d+ tasks done$`, "m"));
  const pids = [...stdout.matchAll(/^\w+ +│ process (\d+) serves$/gm)].map(([, pid]) => Number(pid));
  expect(pids.length).toBe(6);
  expect(pids.filter(isAlive)).toEqual([]);
  const left = /attaches: node demo\/team\/monitor.mjs (\S+)/.exec(stdout)![1]!;
  expect(readdirSync(realpathSync(tmpdir()))).not.toContain(left.split("/").at(-1));
});

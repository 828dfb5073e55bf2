import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Outcome, outcome } from "../cli/run.js";

const MAIN = fileURLToPath(new URL("../../bench/main.mjs", import.meta.url));

/** Longer than any test of it takes, ms; by this signal it ends the processes that it started. */
const LIMIT = 100_000;

/** Runs the benchmark as a process of its own, as `npm run bench` does. */
export function bench(...args: string[]): Promise<Outcome> {
  return run(process.execPath, [MAIN, ...args]);
}

export function run(program: string, args: string[], cwd?: string): Promise<Outcome> {
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    cwd,
    timeout: LIMIT,
    killSignal: "SIGTERM",
  });
  return outcome(child);
}

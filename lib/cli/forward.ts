import { spawn } from "node:child_process";
import { constants } from "node:os";

/** The number that a shell adds to a signal that ended a process. */
const SIGNALLED = 128;

/** Runs a script of the package with the terminal of this process. Resolves with its exit code. */
export function runScript(script: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [script, ...args], { stdio: "inherit" });
  // Ctrl+C reaches both processes. The script cleans up, and its end is ours.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve(code ?? SIGNALLED + constants.signals[signal ?? "SIGKILL"]);
    });
  });
}

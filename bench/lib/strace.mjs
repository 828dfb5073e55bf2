import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { Unavailable } from "./contender.mjs";

/** Asking for this path is a system call by which a process says where it is. */
const MARK = "/ringbell-bench-mark-";

/**
 * How to start a process so that all system calls of all its threads are written to `file`. The tracer is a grandchild: what is started is
 * the process itself, and ends as any other. V8's collector runs without its helper threads, which wake each other by system calls. Throws {@link Unavailable} where nothing can be traced.
 * @param {string} file
 * @returns {import("./end.mjs").Launch}
 */
export function traced(file) {
  const under = ["strace", "-D", "-f", "-qq", "-o", file];
  try {
    execFileSync("strace", ["-D", "-f", "-qq", "-o", "/dev/null", "true"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
  } catch (error) {
    const { code, stderr, message } = /** @type {any} */ (error);
    throw new Unavailable(
      code === "ENOENT"
        ? "needs strace (Debian: apt-get install strace)"
        : `strace can't trace here: ${String(stderr ?? message).trim()}`,
    );
  }
  return { under, flags: ["--single-threaded-gc"] };
}

/** Called by the traced process, before and after what is to be counted. @param {string} name */
export function mark(name) {
  existsSync(MARK + name);
}

/**
 * The system calls between two marks, each by its name, those of all threads.
 * @param {string} file
 * @param {string} from
 * @param {string} to
 * @returns {Record<string, number>}
 */
export function systemCalls(file, from, to) {
  const lines = readFileSync(file, "latin1").split("\n");
  const first = lines.findIndex((line) => line.includes(`"${MARK}${from}"`));
  const end = lines.findIndex((line) => line.includes(`"${MARK}${to}"`));
  if (first < 0 || end < 0) throw new Error(`${file} does not hold the marks ${from} and ${to}`);
  /** @type {Record<string, number>} */
  const calls = {};
  for (const line of lines.slice(first + 1, end)) {
    // What follows the number of the thread is the call, or a signal, an exit, the rest of a call that was interrupted by another line.
    const name = /^\d+\s+(\w+)\(/.exec(line)?.[1];
    if (name !== undefined) calls[name] = (calls[name] ?? 0) + 1;
  }
  return calls;
}

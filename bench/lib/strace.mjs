import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
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
  requireStrace();
  return { under: ["strace", "-D", "-f", "-qq", "-o", file], flags: ["--single-threaded-gc"] };
}

/** Throws {@link Unavailable} where nothing can be traced. */
function requireStrace() {
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
}

/** How long strace may take to attach itself, ms. */
const PATIENCE = 5_000;

/**
 * Writes the system calls that processes make while `work` goes on, those of all threads, to `file`. They run as they are; each call takes
 * many times as long as otherwise. Throws {@link Unavailable} where they can't be traced.
 * @template T
 * @param {readonly number[]} pids
 * @param {string} file
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function whileTraced(pids, file, work) {
  requireStrace();
  const args = ["-f", "-o", file, ...pids.flatMap((pid) => ["-p", String(pid)])];
  const child = spawn("strace", args, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(child, "close");
  const kill = () => child.kill("SIGKILL");
  process.on("exit", kill);
  try {
    await allAttached(child, pids);
    return await work();
  } finally {
    // It lets go of them, and writes what it has.
    child.kill("SIGINT");
    await ended;
    process.off("exit", kill);
  }
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @param {readonly number[]} pids
 * @returns {Promise<void>}
 */
function allAttached(child, pids) {
  return new Promise((resolve, reject) => {
    let said = "";
    const refuse = () => {
      clearTimeout(timer);
      reject(new Unavailable(`strace can't attach itself here: ${said.trim()}`));
    };
    const timer = setTimeout(refuse, PATIENCE);
    child.once("close", refuse);
    child.stderr?.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
      said += text;
      if (!pids.every((pid) => said.includes(`Process ${pid} attached`))) return;
      clearTimeout(timer);
      resolve();
    });
  });
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

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { pinned } from "./cores.mjs";
import { payload } from "./payload.mjs";

/** What the answering process or thread runs, where the asking one starts it. */
export const ENTRY = fileURLToPath(new URL("./answerer-main.mjs", import.meta.url));

/** How long a broken connection waits before it is reported, ms: if the other end has died, its own report says why. */
const GRACE = 1_000;

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/**
 * What the answering end does with each message of a workload.
 * @param {import("./peer.mjs").Place} place
 * @returns {(message: any) => any} the answer, or undefined
 */
export function answering({ workload, payload: kind, bytes }) {
  if (workload === "echo") return (message) => message;
  const messages = payload(kind, bytes);
  let due = 0;
  let count = 0;
  let begin = 0;
  return (message) => {
    const number = messages.number(message);
    // Every round counts from 0.
    if (number === 0) {
      due = 0;
      count = messages.count(message);
      begin = performance.now();
    }
    if (number !== due) throw new Error(`message ${number} arrived instead of ${due}`);
    messages.read(message);
    due++;
    return due === count ? messages.total(performance.now() - begin) : undefined;
  };
}

/**
 * Starts the answering process as a child of this one, for mechanisms that are a part of starting it. There, `serve` of the peer's
 * file is called as it would be elsewhere. If it ends before `stopAnswerer`, this process fails.
 * @param {import("./peer.mjs").Place} place
 * @param {Omit<import("node:child_process").SpawnOptions, "detached">} options  `stdio`, `serialization`; standard error is passed on.
 */
export function startAnswerer(place, options) {
  const [program, ...args] = pinned(place.core === undefined ? undefined : [place.core], [
    process.execPath,
    ENTRY,
    JSON.stringify(place),
  ]);
  const child = spawn(program, args, options);
  running.add(child);
  child.on("exit", (code, signal) => {
    running.delete(child);
    if (!child.killed) throw new Error(`the answering process ended with ${signal ?? code}`);
  });
  return child;
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @returns {Promise<void>} once it has ended
 */
export function stopAnswerer(child) {
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}

/**
 * Fails this process, as nothing more can come, unless it is ended before.
 * @param {Error} error
 */
export function lost(error) {
  setTimeout(() => {
    throw error;
  }, GRACE);
}

import { execFileSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { basename } from "node:path";
import { parentPort, Worker } from "node:worker_threads";
import { ENTRY } from "../lib/answerer.mjs";

/**
 * The MessagePort of a thread in the same process. Objects and bytes are copied by the structured clone, as they are by default: to transfer
 * bytes would take them from the sender.
 *
 * A port has no backpressure. So that a fast sender does not fill the memory, the receiver acknowledges half a window at a time, by a number.
 */
export const peer = {
  name: "worker",
  title: "worker_threads, MessagePort",
  spawns: true,
  file: import.meta.url,
};

/** Messages and bytes that may be under way unacknowledged. */
const WINDOW = 1024;
const WINDOW_BYTES = 16 << 20;

/** @param {import("../lib/peer.mjs").Place} place */
function windowOf({ bytes }) {
  return Math.max(2, Math.min(WINDOW, Math.floor(WINDOW_BYTES / bytes)));
}

/** @param {import("../lib/peer.mjs").Place} place @param {(message: any) => any} answer */
export function serve(place, answer) {
  if (place.core !== undefined) pinThread(place.core);
  const half = windowOf(place) >> 1;
  let taken = 0;
  parentPort?.on("message", (message) => {
    const reply = answer(message);
    if (reply !== undefined) parentPort?.postMessage(reply);
    if (++taken % half === 0) parentPort?.postMessage(taken);
  });
  return { close: () => parentPort?.close() };
}

/**
 * Moves the thread that calls it, and no other of its process.
 * @param {number} core
 */
function pinThread(core) {
  const thread = basename(readlinkSync("/proc/thread-self"));
  execFileSync("taskset", ["--pid", "--cpu-list", `${core}`, thread], { stdio: "ignore" });
}

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {import("../lib/peer.mjs").Link}
 */
export function drive(place, heard) {
  const worker = new Worker(ENTRY, { workerData: { place } });
  const window = windowOf(place);
  let sent = 0;
  let acknowledged = 0;
  let open = true;
  /** @type {(() => void) | undefined} */
  let wake;
  worker.on("message", (message) => {
    if (typeof message !== "number") {
      heard(message);
      return;
    }
    acknowledged = message;
    wake?.();
  });
  worker.on("exit", (code) => {
    if (open) throw new Error(`the answering thread ended with ${code}`);
  });
  return {
    send(message) {
      worker.postMessage(message);
      sent++;
      return sent - acknowledged < window;
    },
    ready: () =>
      new Promise((resolve) => {
        wake = () => resolve(undefined);
      }),
    close() {
      open = false;
      return worker.terminate();
    },
  };
}

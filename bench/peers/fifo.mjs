import { execFileSync } from "node:child_process";
import { constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { linkOver, reader, writer } from "../lib/framing.mjs";

/**
 * Two named pipes, one each way; bytes behind their length, objects as lines of JSON. They are read and written as sockets of node:net, by the event
 * loop: streams of node:fs would take a thread of the pool for each and hold it while a pipe is empty.
 */
export const peer = { name: "fifo", title: "named pipes", one: true, file: import.meta.url };

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
/** How long to wait for someone who reads, ms. */
const PATIENCE = 5_000;

/** @param {import("../lib/peer.mjs").Place} place */
function paths({ directory, endpoint }) {
  return {
    asking: join(directory, `${endpoint}.asking`),
    answering: join(directory, `${endpoint}.answering`),
  };
}

/** Can be done before someone has opened it for writing. @param {string} path */
function openToRead(path) {
  return new Socket({ fd: openSync(path, O_RDONLY | O_NONBLOCK), readable: true, writable: false });
}

/** Fails with ENXIO unless someone has opened it for reading. @param {string} path */
function openToWrite(path) {
  return new Socket({ fd: openSync(path, O_WRONLY | O_NONBLOCK), readable: false, writable: true });
}

/** @param {import("../lib/peer.mjs").Place} place @param {(message: any) => any} answer */
export function serve(place, answer) {
  const { asking, answering } = paths(place);
  execFileSync("mkfifo", ["-m", "600", asking, answering]);
  let open = true;
  /** @type {Socket} */
  let input;
  const accept = () => {
    /** @type {Socket | undefined} */
    let output;
    /** @type {((message: any) => boolean) | undefined} */
    let write;
    input = openToRead(asking);
    reader(input, place.payload, (message) => {
      const reply = answer(message);
      if (reply === undefined) return;
      if (write === undefined) {
        // Whoever asks reads the other pipe already.
        output = openToWrite(answering).on("error", () => {});
        write = writer(output, place.payload);
      }
      write(reply);
    });
    // Whoever wrote has closed it; the next one may come.
    input.on("close", () => {
      output?.destroy();
      if (open) accept();
    });
  };
  accept();
  return {
    close() {
      open = false;
      input.destroy();
    },
  };
}

/** Waits for someone who reads without blocking the thread, as the system would. @param {string} path */
async function connectToWrite(path) {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    try {
      return openToWrite(path);
    } catch (error) {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      if (code !== "ENXIO" || performance.now() > deadline) throw error;
      await sleep(1);
    }
  }
}

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {Promise<import("../lib/peer.mjs").Link>}
 */
export async function drive(place, heard) {
  const { asking, answering } = paths(place);
  const input = openToRead(answering);
  const output = await connectToWrite(asking);
  return linkOver(input, output, place.payload, heard);
}

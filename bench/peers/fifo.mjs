import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { linkOver, reader, writer } from "../lib/framing.mjs";

/**
 * Two named pipes a link, one each way; bytes behind their length, objects as lines of JSON. Whoever connects makes them and writes their name into a pipe that
 * all know. They are read and written as sockets of node:net, by the event loop: streams of node:fs would take a thread of the pool for each and hold it while a
 * pipe is empty.
 */
export const peer = { name: "fifo", title: "named pipes", file: import.meta.url };

const { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;
/** Links whose pipes are made at once: Node can't do it, and to start a program for each would be most of what a link takes to start. */
const AHEAD = 256;

/** The pipe that all know. @param {import("../lib/peer.mjs").Place} place */
function known({ directory, endpoint }) {
  return join(directory, `${endpoint}.links`);
}

/** @param {import("../lib/peer.mjs").Place} place @param {string} name of the link */
function paths({ directory, endpoint }, name) {
  const base = join(directory, `${endpoint}.${name}`);
  return { asking: `${base}.asking`, answering: `${base}.answering` };
}

/** @param {readonly string[]} pipes */
function make(pipes) {
  execFileSync("mkfifo", ["-m", "600", ...pipes]);
}

/** @param {string} path @param {number} [how] */
function openToRead(path, how = O_RDONLY) {
  return new Socket({ fd: openSync(path, how | O_NONBLOCK), readable: true, writable: false });
}

/** @param {string} path @param {number} [how] */
function openToWrite(path, how = O_WRONLY) {
  return new Socket({ fd: openSync(path, how | O_NONBLOCK), readable: false, writable: true });
}

/** @param {import("../lib/peer.mjs").Place} place @param {(message: any) => any} answer */
export function serve(place, answer) {
  make([known(place)]);
  /** @type {Set<Socket>} */
  const inputs = new Set();
  const accept = (/** @type {string} */ name) => {
    const { asking, answering } = paths(place, name);
    const input = openToRead(asking);
    const output = openToWrite(answering).on("error", () => {});
    const write = writer(output, place.payload);
    inputs.add(input);
    reader(input, place.payload, (message) => {
      const reply = answer(message);
      if (reply !== undefined) write(reply);
    });
    input.on("close", () => {
      inputs.delete(input);
      output.destroy();
    });
  };
  // As one who might write as well, so that it does not end whenever the last who wrote has closed it.
  const links = openToRead(known(place), O_RDWR);
  reader(links, "object", accept);
  return {
    close() {
      links.destroy();
      for (const input of inputs) input.destroy();
    },
  };
}

/** Links of this process. */
let count = 0;

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {import("../lib/peer.mjs").Link}
 */
export function drive(place, heard) {
  const nameOf = (/** @type {number} */ i) => `${process.pid}-${i}`;
  const number = count++;
  if (number % AHEAD === 0)
    make(Array.from({ length: AHEAD }, (_, i) => Object.values(paths(place, nameOf(number + i)))).flat());
  const { asking, answering } = paths(place, nameOf(number));
  const input = openToRead(answering);
  // As one who might read as well: nobody does yet, and whoever only writes is refused then.
  const output = openToWrite(asking, O_RDWR);
  const links = openSync(known(place), O_WRONLY);
  writeSync(links, `${JSON.stringify(nameOf(number))}\n`);
  closeSync(links);
  return linkOver(input, output, place.payload, heard);
}

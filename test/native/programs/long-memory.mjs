// What memory for long copies does to a process: prints JSON. See long-memory.test.ts.
import { readFileSync } from "node:fs";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { Scratch } from "../../../dist/codec/codec.js";
import { bytes } from "../../../dist/index.js";

const MIB = 1024 * 1024;
const codec = bytes();
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A copy of so many ones, as a receiver gets it. */
function received(length) {
  const scratch = new Scratch(new ArrayBuffer(length));
  scratch.buffer.fill(1);
  return codec.decode(scratch, 0, length, []);
}

/** KiB of a line of /proc/self/smaps, of the mappings that `counts`. */
function kibibytes(line, counts) {
  const mappings = readFileSync("/proc/self/smaps", "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const sizes = mappings
    .filter(counts)
    .map((mapping) => Number(new RegExp(`^${line}: *(\\d+) kB`, "m").exec(mapping)[1]));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Bytes from the end of the heap to the next mapping. */
function roomAboveHeap() {
  const [, end, next] = /-([0-9a-f]+) [^\n]* \[heap\]\n([0-9a-f]+)-/.exec(
    readFileSync("/proc/self/maps", "utf8"),
  );
  return Number.parseInt(next, 16) - Number.parseInt(end, 16);
}

const programs = {
  async flood() {
    const scratch = new Scratch(new ArrayBuffer(16 * MIB));
    for (let i = 0; i < 3_000; i++) {
      codec.decode(scratch, 0, i % 50 === 0 ? 16 * MIB : MIB >> (i % 3), []);
      if (i % 8 === 0) await turn();
    }
    return { residentMiB: process.memoryUsage.rss() / MIB };
  },

  async worker() {
    const worker = new Worker(new URL(import.meta.url));
    const moved = await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    await worker.terminate();
    globalThis.gc();
    // Memory that somebody else had got meanwhile would show.
    for (let i = 0; i < 100; i++) received(MIB).fill(2);
    const sums = moved.map((copy) => copy.reduce((sum, byte) => sum + byte, 0));
    return { moved: moved.map((copy) => copy.length), sums };
  },

  async heap() {
    const heap = () => kibibytes("Size", (mapping) => /^[^\n]* \[heap\]\n/.test(mapping)) / 1024;
    received(64 * 1024);
    const before = heap();
    const roomMiB = roomAboveHeap() / MIB;
    const kept = received(24 * MIB);
    return { grownMiB: heap() - before, roomMiB, length: kept.length };
  },

  async huge() {
    const advised = () => kibibytes("Size", (mapping) => /^VmFlags:.* hg\b/m.test(mapping)) / 1024;
    const before = advised();
    const kept = received(64 * MIB);
    return { advisedMiB: advised() - before, length: kept.length };
  },
};

if (isMainThread) {
  console.log(JSON.stringify(await programs[process.argv[2]]()));
} else {
  const moved = [received(MIB), received(40 * MIB)];
  const kept = [received(MIB), received(40 * MIB)];
  parentPort.postMessage(
    moved,
    moved.map((copy) => copy.buffer),
  );
  setInterval(() => kept.length, 1000);
}

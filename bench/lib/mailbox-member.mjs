import { setTimeout as delay } from "node:timers/promises";
import { Unavailable } from "./contender.mjs";
import { inFlight, TEXT } from "./posting.mjs";
import { NAMESPACE } from "./ringbell.mjs";

/* A process with mailboxes, for the contenders that need several. */

/** How many messages are posted at one request. */
const PART = 50_000;
/** The build of this checkout. */
const MAILBOX = new URL("../../dist/mailbox/index.js", import.meta.url).href;

/** The time on a clock that all processes share, in ns. */
export const sharedClock = () => Number(process.hrtime.bigint());

/** Throws {@link Unavailable} where mailboxes can't be stored. */
export async function mustHaveSqlite() {
  if (/** @type {any} */ (process).getBuiltinModule?.("node:sqlite") !== undefined) return;
  await import(/** @type {string} */ ("better-sqlite3")).catch(() => {
    throw new Unavailable("needs SQLite: Node 22.13 or later, or npm install better-sqlite3");
  });
}

/** @param {{ endpoint: string, directory: string, path?: string, store?: string, durability?: string }} options */
export async function openMailboxes({ endpoint, directory, path, store = "sqlite", durability = "process" }) {
  const { mailboxes } = await import(MAILBOX);
  const file = path === undefined ? {} : { path };
  return mailboxes({ name: endpoint, namespace: NAMESPACE, directory, store, durability, ...file });
}

/** Has a member post so many messages, part by part: one request may not take long. @param {import("./end.mjs").End} one @param {number} count */
export async function fill(one, count) {
  for (let left = count; left > 0; left -= PART) await one.ask("fill", "box", Math.min(left, PART));
}

/** @param {{ endpoint: string, directory: string, path?: string }} options */
export async function member(options) {
  const mail = await openMailboxes(options);
  return {
    isBroker: () => mail.isBroker,
    pid: () => process.pid,
    /** @param {string} box @param {number} count */
    fill: (box, count) => inFlight(() => mail.post(box, TEXT))(count),
    /** Takes the next message. Returns when it came. @param {string} box */
    async next(box) {
      await mail.wait(box);
      return sharedClock();
    },
    /** Round trips through the broker, so that its code is compiled and its buffers have their size. @param {number} count */
    async exercise(count) {
      for (let i = 0; i < count; i++) await Promise.all([mail.post("exercise", TEXT), mail.wait("exercise")]);
    },
    /** Begins waits that nobody answers. @param {number} count */
    async waits(count) {
      for (let i = 0; i < count; i++) void mail.wait(`idle ${i}`, { timeout: 300_000 }).catch(() => {});
      await mail.status();
    },
    /** Texts that say when they were posted, with pauses in which the reader falls asleep. @param {number} count @param {number} pause ms */
    async postTimes(count, pause) {
      for (let i = 0; i < count; i++) {
        await delay(pause);
        await mail.post("times", String(sharedClock()));
      }
    },
    /** How long each of these took, in ns. @param {number} count */
    async takeTimes(count) {
      const times = [];
      while (times.length < count) {
        const { body } = await mail.wait("times");
        times.push(sharedClock() - Number(body));
      }
      return times;
    },
    /** Resident memory after garbage was collected, in bytes. */
    async resident() {
      for (let i = 0; i < 3; i++) {
        /** @type {any} */ (globalThis).gc();
        await delay(100);
      }
      return process.memoryUsage().rss;
    },
    close: () => mail.close(),
  };
}

import { closeSync, openSync, readFileSync } from "node:fs";

/** A line of a collection; a collection by `gc()` says "testing". */
const COLLECTION = /^\[\d+:\S+\]\s+\d+ ms: (Scavenge|Mark-Compact|Minor Mark-Compact)\b.*?(testing)?;/;

/**
 * How to start a process so that its garbage collections are written to `file`, once it has ended of its own accord.
 * Between two calls of `gc()` in it lies what is to be counted. With `{ type: "minor" }`, for one of everything throws compiled code
 * away: the compiler, at work again, would leave garbage of its own.
 * @param {string} file
 * @returns {{ launch: import("./end.mjs").Launch, started: () => void }} `started` is to be called once it runs.
 */
export function collecting(file) {
  const stdout = openSync(file, "w");
  return { launch: { flags: ["--trace-gc", "--expose-gc"], stdout }, started: () => closeSync(stdout) };
}

/**
 * Garbage collections of each kind between the last two that were asked for.
 * @param {string} file
 */
export function collections(file) {
  const all = readFileSync(file, "utf8")
    .split("\n")
    .map((line) => COLLECTION.exec(line))
    .filter((line) => line !== null);
  const marks = all.flatMap(([, , testing], i) => (testing === undefined ? [] : [i]));
  const [from, to] = marks.slice(-2);
  if (from === undefined || to === undefined)
    throw new Error(`${file} does not hold two collections by gc()`);
  const between = all.slice(from + 1, to);
  const scavenges = between.filter(([, kind]) => kind === "Scavenge").length;
  return { scavenges, markCompacts: between.length - scavenges };
}

import { readFileSync } from "node:fs";
import { allowedCores } from "../lib/cores.mjs";
import { coreTicks } from "../lib/load.mjs";
import { ticksWithChildren } from "../lib/proc.mjs";

/**
 * CPU time, in ticks of /proc.
 *
 * @typedef {object} Reading
 * @property {number} all  Of the cores, idle or not.
 * @property {number} busy  Of the cores, whoever used it.
 * @property {number} own  Of this process and of its children that have ended.
 */

/**
 * Looks what other programs use of the cores from now on, while all processes that this one starts meanwhile end before it asks.
 * @param {readonly number[] | undefined} cores  Undefined: all that are allowed.
 * @returns {() => number | null}  As a part of the cores' time; null where there is no /proc.
 */
export function foreignCpu(cores = allowedCores()) {
  const before = reading(cores);
  return () => {
    const after = reading(cores);
    return before === undefined || after === undefined ? null : foreignPart(before, after);
  };
}

/** @param {Reading} before @param {Reading} after */
export function foreignPart(before, after) {
  const all = after.all - before.all;
  const foreign = after.busy - before.busy - (after.own - before.own);
  return all === 0 ? 0 : Math.max(0, foreign / all);
}

/** @param {readonly number[]} cores @returns {Reading | undefined} */
function reading(cores) {
  const ticks = coreTicks(cores);
  if (ticks === undefined) return undefined;
  const sum = (/** @type {"all" | "busy"} */ what) => ticks.reduce((total, core) => total + core[what], 0);
  return {
    all: sum("all"),
    busy: sum("busy"),
    own: ticksWithChildren(readFileSync("/proc/self/stat", "utf8")),
  };
}

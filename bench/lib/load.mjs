import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** How long to look, ms. A tick of /proc/stat is 10 ms. */
const LOOK = 400;
/** Below this, what else runs does not matter. */
const TOLERABLE = 0.05;

/**
 * The part of its time that the busiest of the cores works, while nothing of ours runs; undefined where there is no /proc.
 * @param {readonly number[]} cores
 */
export async function foreignLoad(cores) {
  const before = coreTicks(cores);
  await delay(LOOK);
  const after = coreTicks(cores);
  if (before === undefined || after === undefined) return undefined;
  return Math.max(
    0,
    ...after.map(({ busy, all }, i) => {
      const { busy: busyBefore = 0, all: allBefore = 0 } = before[i] ?? {};
      return all === allBefore ? 0 : (busy - busyBefore) / (all - allBefore);
    }),
  );
}

/**
 * A sentence for the reader where something else kept a core busy.
 * @param {number | undefined} load
 */
export function loadWarning(load) {
  if (load === undefined || load < TOLERABLE) return undefined;
  return `Something else was using ${Math.round(load * 100)} % of one of these cores; do not trust what follows.`;
}

/** Ticks of the cores since the system started, those in which something ran and all; undefined where there is no /proc. @param {readonly number[]} cores */
export function coreTicks(cores) {
  try {
    const lines = readFileSync("/proc/stat", "utf8").split("\n");
    return cores.map((core) => {
      const fields =
        lines
          .find((line) => line.startsWith(`cpu${core} `))
          ?.split(/\s+/)
          .slice(1, 9)
          .map(Number) ?? [];
      const all = fields.reduce((sum, field) => sum + field, 0);
      // The fourth and fifth are idle and waiting for input or output.
      return { busy: all - (fields[3] ?? 0) - (fields[4] ?? 0), all };
    });
  } catch {
    return undefined;
  }
}

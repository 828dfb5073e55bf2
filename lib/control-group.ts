import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The limits of the control groups (version 2) around this process. */
export interface ControlGroup {
  /** The memory limit in bytes: the least of all groups around the process. */
  readonly memoryLimit: number | undefined;
  /** The bytes used in the group that has this limit. */
  readonly memoryUsed: number | undefined;
  /** The time that the groups grant, in cores. */
  readonly cpuQuota: number | undefined;
}

/** Reads the limits. `read` returns the text of a file, or undefined. */
export function controlGroup(read: (path: string) => string | undefined = readText): ControlGroup {
  let memoryLimit: number | undefined;
  let memoryUsed: number | undefined;
  let cpuQuota: number | undefined;
  for (const directory of groups(read)) {
    const limit = numberIn(read(join(directory, "memory.max")));
    if (limit !== undefined && (memoryLimit === undefined || limit < memoryLimit)) {
      memoryLimit = limit;
      memoryUsed = numberIn(read(join(directory, "memory.current")));
    }
    const [quota, period] = (read(join(directory, "cpu.max")) ?? "").split(" ").map(numberIn);
    if (quota !== undefined && period !== undefined && period > 0) {
      cpuQuota = Math.min(cpuQuota ?? Number.POSITIVE_INFINITY, quota / period);
    }
  }
  // Node itself knows the limit of the first version of control groups.
  const constrained = memoryLimit === undefined ? process.constrainedMemory() : 0;
  if (constrained > 0 && constrained < Number.MAX_SAFE_INTEGER) memoryLimit = constrained;
  return { memoryLimit, memoryUsed, cpuQuota };
}

/** Returns the directories of our group and the groups around it, innermost first. */
function groups(read: (path: string) => string | undefined): string[] {
  const path = /^0::(\/.*)$/m.exec(read("/proc/self/cgroup") ?? "")?.[1];
  if (path === undefined) return [];
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return Array.from({ length: parts.length + 1 }, (_, up) =>
    join("/sys/fs/cgroup", ...parts.slice(0, parts.length - up)),
  );
}

function numberIn(text: string | undefined): number | undefined {
  const trimmed = text?.trim();
  return trimmed === undefined || !/^\d+$/.test(trimmed) ? undefined : Number(trimmed);
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

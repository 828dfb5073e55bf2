import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What the control groups (version 2) around this process grant it. */
export interface ControlGroup {
  /** Bytes; the least of all groups around it. */
  readonly memoryLimit: number | undefined;
  /** Bytes used in the group that has that limit. */
  readonly memoryUsed: number | undefined;
  /** In cores. */
  readonly cpuQuota: number | undefined;
}

/** `read` gives the text of a file, or undefined. */
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
  // The first version of control groups: node knows how to ask it.
  const constrained = memoryLimit === undefined ? process.constrainedMemory() : 0;
  if (constrained > 0 && constrained < Number.MAX_SAFE_INTEGER) memoryLimit = constrained;
  return { memoryLimit, memoryUsed, cpuQuota };
}

/** The directories of our group and those around it, innermost first. */
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

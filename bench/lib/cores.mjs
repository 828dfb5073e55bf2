import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { UsageError } from "./options.mjs";

/**
 * The cores this process may run on, as far as the system tells; empty if it doesn't.
 * @returns {number[]}
 */
export function allowedCores() {
  let status;
  try {
    status = readFileSync("/proc/self/status", "utf8");
  } catch {
    return [];
  }
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "";
  return list.split(",").flatMap((part) => {
    const [first = Number.NaN, last = first] = part.split("-").map(Number);
    return Number.isNaN(first) ? [] : Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/**
 * The two cores to run on: those asked for, else the first two allowed. Undefined where processes can't be pinned.
 * @param {[number, number] | undefined} asked
 * @returns {[number, number] | undefined}
 */
export function chooseCores(asked) {
  try {
    execFileSync("taskset", ["--version"], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  const allowed = allowedCores();
  const missing = asked?.find((core) => !allowed.includes(core));
  if (missing !== undefined)
    throw new UsageError(`--cores: there is no core ${missing} to run on; there are ${allowed.join(", ")}`);
  if (asked !== undefined) return asked;
  const [first, second] = allowed;
  return first === undefined || second === undefined ? undefined : [first, second];
}

/**
 * The command line that runs `command` on these cores only.
 * @param {readonly number[] | undefined} cores undefined: anywhere
 * @param {readonly [string, ...string[]]} command
 * @returns {[string, ...string[]]}
 */
export function pinned(cores, command) {
  return cores === undefined ? [...command] : ["taskset", "--cpu-list", cores.join(","), ...command];
}

import { readFileSync, readlinkSync } from "node:fs";
import { tryBinding } from "../../native/load.js";

/** A process, named for good. A pid is used again; a pid with its start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** The start time, in a unit of the platform; 0 if it is unknown. */
  readonly start: number;
}

/** Returns the user as which this process makes files, and as which the kernel presents it to a peer. */
export function ourUid(): number {
  return process.geteuid?.() ?? -1;
}

export function ourGid(): number {
  return process.getegid?.() ?? -1;
}

/**
 * Returns when the process started. Returns 0 if there is no such process, or if it has ended and only waits
 * to be reaped. Returns undefined if this is unknown without the addon.
 */
export function processStart(pid: number): number | undefined {
  if (process.platform === "linux") return linuxStart(pid);
  return tryBinding()?.processStart(pid);
}

let ourself: ProcessIdentity | undefined;

export function ourIdentity(): ProcessIdentity {
  ourself ??= { pid: process.pid, start: processStart(process.pid) ?? 0 };
  return ourself;
}

/** Returns whether this very process still runs, and not another that got its pid. */
export function isAlive(identity: ProcessIdentity): boolean {
  const start = processStart(identity.pid);
  if (start !== undefined) return start !== 0 && (identity.start === 0 || start === identity.start);
  try {
    process.kill(identity.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

let space: string | undefined;

/** Returns the space in which our pids are valid: "0", or on Linux the number of the pid namespace, in base 36. */
export function pidSpace(): string {
  if (space === undefined) {
    try {
      const number = /\[(\d+)\]/.exec(readlinkSync("/proc/self/ns/pid"))?.[1];
      space = number === undefined ? "0" : Number(number).toString(36);
    } catch {
      space = "0";
    }
  }
  return space;
}

function linuxStart(pid: number): number | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ESRCH" ? 0 : undefined;
  }
  // The second field is the command in parentheses, and may contain blanks and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return 0;
  return Number(fields[19]);
}

import { readFileSync, readlinkSync } from "node:fs";
import { tryBinding } from "../../native/load.js";

/** A process, named for good. A pid is used again; a pid with its start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** The start time, in a unit of the platform; 0 if it is unknown. */
  readonly start: number;
}

/** A process that may live in another pid namespace. */
export interface SpacedIdentity extends ProcessIdentity {
  /** The space in which the pid is valid. Another container has another space. */
  readonly space: string;
}

/**
 * Returns when the process started. Returns 0 if there is no such process, or if it has ended and only waits
 * to be reaped. Returns undefined if this is unknown.
 */
export function processStart(pid: number): number | undefined {
  if (process.platform === "linux") return linuxStart(pid);
  return tryBinding()?.processStart(pid);
}

let ourself: SpacedIdentity | undefined;

export function ourIdentity(): SpacedIdentity {
  ourself ??= { pid: process.pid, start: processStart(process.pid) ?? 0, space: pidSpace() };
  return ourself;
}

/** Returns whether this very process still runs, and not another that got its pid. The pid must be valid here. */
export function isAlive(identity: ProcessIdentity): boolean {
  const start = processStart(identity.pid);
  if (start !== undefined) return start !== 0 && (identity.start === 0 || start === identity.start);
  return exists(identity.pid);
}

/** Returns whether this very process runs. A process of another pid namespace can't be seen: the answer is undefined. */
export function isAliveIn(identity: SpacedIdentity): boolean | undefined {
  return isOurSpace(identity.space) ? isAlive(identity) : undefined;
}

/** Returns the pid that the process has here; undefined if its pid belongs to another pid namespace. */
export function pidHere(process: { readonly pid: number; readonly space: string }): number | undefined {
  return isOurSpace(process.space) ? process.pid : undefined;
}

const UNKNOWN_SPACE = "0";
let space: string | undefined;

/** Returns the space in which our pids are valid: on Linux the number of the pid namespace, in base 36; "0" if it has none, or is not known. */
export function pidSpace(): string {
  if (space === undefined) {
    try {
      const number = /\[(\d+)\]/.exec(readlinkSync("/proc/self/ns/pid"))?.[1];
      space = number === undefined ? UNKNOWN_SPACE : Number(number).toString(36);
    } catch {
      space = UNKNOWN_SPACE;
    }
  }
  return space;
}

/** Returns whether pids of that space are valid here. Two spaces that are not known may be two. */
export function isOurSpace(theirs: string): boolean {
  return theirs === pidSpace() && (theirs !== UNKNOWN_SPACE || process.platform !== "linux");
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

let ourProc: boolean | undefined;

/**
 * Returns whether /proc shows our own pid namespace. A container may have the /proc of another: there, the
 * same number is another process.
 */
export function isOurProc(): boolean {
  if (ourProc === undefined) {
    try {
      // One number for each namespace, from that of /proc inwards to our own.
      const pids = /^NSpid:\s+(.*)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
      ourProc = (pids ?? readlinkSync("/proc/self")).trim() === String(process.pid);
    } catch {
      ourProc = false;
    }
  }
  return ourProc;
}

function linuxStart(pid: number): number | undefined {
  if (!isOurProc()) return exists(pid) ? undefined : 0;
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // /proc may hide the processes of other users (hidepid).
    return (code === "ENOENT" || code === "ESRCH") && !exists(pid) ? 0 : undefined;
  }
  // The second field is the command in parentheses, and may contain blanks and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return 0;
  return Number(fields[19]);
}

import { readdirSync, readFileSync } from "node:fs";
import { Unavailable } from "./contender.mjs";

/** A tick of /proc, ns: USER_HZ is 100 on every architecture that Node runs on. */
const TICK = 1e7;
/** User and system time are each cut to whole ticks, at both ends of a difference. */
const UNSURE = 2 * TICK;

/**
 * What a process has used since it began.
 *
 * @typedef {object} Usage
 * @property {number} ticksNs  CPU time of all its threads, also of those that have ended, in steps of 10 ms.
 * @property {ReadonlyMap<string, ThreadUsage>} threads  Of those that live, by their number.
 *
 * @typedef {object} ThreadUsage
 * @property {number} ns  CPU time, user and system.
 * @property {number} voluntary  How often it went to sleep, and so was woken.
 * @property {number} involuntary  How often another was let run in its place.
 */

/** Throws {@link Unavailable} unless the kernel says what a process uses. */
export function requireProc() {
  try {
    usage(process.pid);
  } catch {
    throw new Unavailable("is counted by /proc, as Linux has it");
  }
}

/** @param {number} pid @returns {Usage} */
export function usage(pid) {
  const threads = new Map();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const directory = `/proc/${pid}/task/${thread}`;
    try {
      const ns = cpuTime(readFileSync(`${directory}/schedstat`, "utf8"));
      threads.set(thread, { ns, ...switches(readFileSync(`${directory}/status`, "utf8")) });
    } catch (error) {
      // It has ended meanwhile.
      if (!["ENOENT", "ESRCH"].includes(/** @type {any} */ (error).code)) throw error;
    }
  }
  if (threads.size === 0) throw new Error(`process ${pid} has ended`);
  return { ticksNs: ticks(readFileSync(`/proc/${pid}/stat`, "utf8")) * TICK, threads };
}

/**
 * What a process used between two readings. The threads' own counts are exact, but go with them when they end; so CPU time is at least what
 * the process's ticks prove.
 * @param {Usage} before
 * @param {Usage} after
 */
export function used(before, after) {
  let ns = 0;
  let voluntary = 0;
  let involuntary = 0;
  for (const [thread, now] of after.threads) {
    const then = before.threads.get(thread);
    ns += now.ns - (then?.ns ?? 0);
    voluntary += now.voluntary - (then?.voluntary ?? 0);
    involuntary += now.involuntary - (then?.involuntary ?? 0);
  }
  return { ns: Math.max(ns, after.ticksNs - before.ticksNs - UNSURE), voluntary, involuntary };
}

/** Nanoseconds on a processor, the first number of the file. @param {string} schedstat */
export function cpuTime(schedstat) {
  return Number(schedstat.split(" ", 1)[0]);
}

/** Context switches. @param {string} status the file */
export function switches(status) {
  return {
    voluntary: Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]),
    involuntary: Number(/^nonvoluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]),
  };
}

/** User and system time of a process, in ticks. @param {string} stat the file */
export function ticks(stat) {
  return times(stat).slice(0, 2).reduce(add);
}

/** The same with that of its children that have ended, and of theirs. @param {string} stat the file */
export function ticksWithChildren(stat) {
  return times(stat).reduce(add);
}

/** utime, stime, cutime and cstime, the 14th to the 17th field. @param {string} stat */
function times(stat) {
  // The second field is a name in parentheses that may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).map(Number);
}

/** @param {number} sum @param {number} value */
function add(sum, value) {
  return sum + value;
}

/**
 * Memory of processes and of what they started, bytes: what is resident, a page that several have mapped counted once; and of shared
 * memory all that the system holds, for a page that was allocated is taken whether or not a process has touched it.
 * @param {readonly number[]} pids
 */
export function memoryOf(pids) {
  const own = withChildren(pids).map((pid) => ownMemory(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8")));
  return own.reduce((sum, bytes) => sum + bytes, sharedMemory(readFileSync("/proc/meminfo", "utf8")));
}

/** What is resident of a process besides shared memory. @param {string} rollup its smaps_rollup */
export function ownMemory(rollup) {
  return (field(rollup, "Pss") - field(rollup, "Pss_Shmem")) * 1024;
}

/** What the system holds in shared memory. @param {string} meminfo */
export function sharedMemory(meminfo) {
  return field(meminfo, "Shmem") * 1024;
}

/** @param {string} text @param {string} name */
function field(text, name) {
  const value = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1];
  if (value === undefined) throw new Unavailable(`the kernel does not tell ${name}`);
  return Number(value);
}

/** @param {readonly number[]} pids */
function withChildren(pids) {
  const all = new Set(pids);
  // What is added meanwhile is visited, too.
  for (const pid of all) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const children = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").trim();
      if (children !== "") for (const child of children.split(" ")) all.add(Number(child));
    }
  }
  return [...all];
}

/** Descriptors that a process may have open; undefined where /proc does not tell. */
export function descriptorLimit() {
  try {
    // Node raises the first number, which counts, to the second by itself.
    const [, hard] = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard);
  } catch {
    return undefined;
  }
}

import { randomBytes } from "node:crypto";
import { lstatSync, readlinkSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import { delay, now, wallClock } from "../../clock.js";
import { accessError } from "./directory.js";
import { isAliveIn, ourIdentity, type SpacedIdentity } from "./identity.js";

/**
 * Turns without the addon, which alone can lock a file. The lock is a symbolic link. One step makes it
 * together with its content: the pid and start time of the owner, and the space in which the pid is valid.
 * If that process dies, the next one moves the link away and checks whether it got the one that it meant. A
 * process of another pid namespace can't be seen; its turn is over when it is older than any turn.
 *
 * A window of microseconds remains after a crash: two processes that arrive together may then both believe
 * that they have the turn. A lock of the kernel has no such window.
 */

/** PATIENCE: how long (ms) to wait for a turn. INTERVAL: how often (ms) to look. */
const PATIENCE = 5000;
const INTERVAL = 5;
/** The age (ms) of a turn in another pid namespace from which its process counts as dead. A turn takes some ms. */
const LONGEST_TURN = 60_000;

/**
 * Runs `work` while no other process of ours runs its own under the same path. Returns undefined if the
 * directory is gone or no turn came.
 */
export async function inTurn<T>(path: string, work: () => Promise<T>): Promise<T | undefined> {
  const { pid, start, space } = ourIdentity();
  const mark = `${pid.toString(36)}-${start.toString(36)}-${space}-${randomBytes(6).toString("hex")}`;
  const end = now() + PATIENCE;
  for (;;) {
    try {
      symlinkSync(mark, path);
      break;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return undefined;
      if (code !== "EEXIST") throw accessError(path, "make", error);
    }
    if (removeIfDead(path)) continue;
    if (now() > end) return undefined;
    await delay(INTERVAL);
  }
  try {
    return await work();
  } finally {
    if (read(path) === mark) unlinkSync(path);
  }
}

/** Removes the mark of a process that has died. Returns whether the way may be free now. */
export function removeIfDead(path: string): boolean {
  const mark = read(path);
  if (mark === undefined) return true;
  const owner = parse(mark);
  if (owner !== undefined && (isAliveIn(owner) ?? isYoung(path))) return false;
  const aside = `${path}.${randomBytes(4).toString("hex")}`;
  try {
    renameSync(path, aside);
  } catch {
    return true; // Another process was faster.
  }
  const moved = read(aside);
  unlinkSync(aside);
  if (moved !== undefined && moved !== mark) {
    // The moved mark is another one, and its owner lives. It is put back, unless another process made a link
    // meanwhile.
    try {
      symlinkSync(moved, path);
    } catch {}
    return false;
  }
  return true;
}

function read(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function isYoung(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat !== undefined && wallClock() - stat.mtimeMs < LONGEST_TURN;
}

function parse(mark: string): SpacedIdentity | undefined {
  const parts = /^([0-9a-z]{1,8})-([0-9a-z]{1,12})-([0-9a-z]{1,12})-[0-9a-f]{12}$/.exec(mark);
  if (parts === null) return undefined;
  const [pid, start] = [Number.parseInt(parts[1]!, 36), Number.parseInt(parts[2]!, 36)];
  return { pid, start, space: parts[3]! };
}

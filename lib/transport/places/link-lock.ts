import { randomBytes } from "node:crypto";
import { readlinkSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { accessError } from "./directory.js";
import { isAlive, ourIdentity, type ProcessIdentity } from "./identity.js";

/**
 * Taking turns without the addon, which alone can lock a file: a symbolic link that exists or does not, made in one step
 * together with its content, the pid and start time of whose turn it is. If that process dies, the next one moves the
 * link away and looks whether it got the one that it meant. A lock of the kernel needs none of this; what is left here is
 * a window of microseconds after a crash in which two that arrive together may both believe it is their turn.
 */

/** How long (ms) to wait for a turn, and how often to look. */
const PATIENCE = 5000;
const INTERVAL = 5;

/** Runs `work` while no other process of ours runs its own under the same path. Undefined if the directory is gone or no turn came. */
export async function inTurn<T>(path: string, work: () => Promise<T>): Promise<T | undefined> {
  const { pid, start } = ourIdentity();
  const mark = `${pid.toString(36)}-${start.toString(36)}-${randomBytes(6).toString("hex")}`;
  const end = performance.now() + PATIENCE;
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
    if (performance.now() > end) return undefined;
    await delay(INTERVAL);
  }
  try {
    return await work();
  } finally {
    if (read(path) === mark) unlinkSync(path);
  }
}

/** Removes the mark of a process that has died. Whether the way may be free now. */
export function removeIfDead(path: string): boolean {
  const mark = read(path);
  if (mark === undefined) return true;
  const owner = parse(mark);
  if (owner !== undefined && isAlive(owner)) return false;
  const aside = `${path}.${randomBytes(4).toString("hex")}`;
  try {
    renameSync(path, aside);
  } catch {
    return true; // Another one was faster.
  }
  const moved = read(aside);
  unlinkSync(aside);
  if (moved !== undefined && moved !== mark) {
    // Not the one that we looked at: its owner lives. Back with it, unless somebody came in between.
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

function parse(mark: string): ProcessIdentity | undefined {
  const parts = /^([0-9a-z]{1,8})-([0-9a-z]{1,12})-[0-9a-f]{12}$/.exec(mark);
  if (parts === null) return undefined;
  return { pid: Number.parseInt(parts[1]!, 36), start: Number.parseInt(parts[2]!, 36) };
}

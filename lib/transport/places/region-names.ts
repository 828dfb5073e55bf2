import { randomBytes } from "node:crypto";
import { ourIdentity, type SpacedIdentity } from "./identity.js";

/**
 * Names of regions in shared memory: `/ringbell-<pid>-<start>-<space>-<random>`, numbers in base 36. A name
 * lives from the making of a region until the peer has mapped it. If the process dies in between, the name
 * tells the owner: its pid, its start time, and the space in which the pid is valid. A name has at most 31
 * characters, for macOS.
 */

export function regionName(): string {
  const { pid, start, space } = ourIdentity();
  const stem = `/ringbell-${pid.toString(36)}-${start.toString(36)}-${space}-`;
  const room = process.platform === "darwin" ? 31 - stem.length : 16;
  const random = BigInt(`0x${randomBytes(16).toString("hex")}`)
    .toString(36)
    .padStart(16, "0");
  return stem + random.slice(-Math.min(Math.max(room, 2), 16));
}

/** Returns the process that made the region of that name (with or without the slash), or undefined if it is no such name. */
export function regionOwner(name: string): SpacedIdentity | undefined {
  const parts = /^\/?ringbell-([0-9a-z]{1,8})-([0-9a-z]{1,12})-([0-9a-z]{1,12})-[0-9a-z]{2,16}$/.exec(name);
  if (parts === null) return undefined;
  const pid = Number.parseInt(parts[1]!, 36);
  const start = Number.parseInt(parts[2]!, 36);
  return pid > 0 && Number.isSafeInteger(start) ? { pid, start, space: parts[3]! } : undefined;
}

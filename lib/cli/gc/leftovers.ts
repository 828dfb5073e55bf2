import { basename, join } from "node:path";
import { tryBinding } from "../../native/load.js";
import { checkPlace } from "../../transport/places/directory.js";
import { list, look } from "../../transport/places/files.js";
import { isAliveIn, pidHere } from "../../transport/places/identity.js";
import { type Address, addressIn, type ResolvedPlace } from "../../transport/places/names.js";
import { readLiveRecord, readRecord } from "../../transport/places/owner-record.js";
import { probeNative, probeNet } from "../../transport/places/probe.js";
import { regionOwner } from "../../transport/places/region-names.js";
import { namesIn } from "../../transport/places/sweep.js";
import { unseenOwner } from "../../transport/places/unseen.js";
import { isOurUid } from "../../transport/places/user.js";
import { plural } from "../format.js";

/** The kind of a file of ringbell. */
export type Kind = "socket" | "lock" | "memory" | "directory" | "other";

/** A file or name that was found. */
export interface Item {
  readonly kind: Kind;
  readonly path: string;
  /** The pid of the process that made it, if it is known. */
  readonly pid: number | null;
}

/** An item that is left alone, and why. */
export interface Kept extends Item {
  readonly reason: string;
}

/** The leftovers that `sweep` would find, found without touching anything. */
export interface Leftovers {
  readonly stale: Item[];
  readonly kept: Kept[];
}

const SHM_DIRECTORY = "/dev/shm";

/** Looks at the places and at the names of shared memory. Changes nothing. Throws an AccessError if a directory is not safe to use. */
export async function findLeftovers(
  places: readonly ResolvedPlace[],
  memory = SHM_DIRECTORY,
): Promise<Leftovers> {
  const found: Leftovers = { stale: [], kept: [] };
  for (const place of places) {
    if (!checkPlace(place)) continue;
    const ours = new Set<string>();
    for (const name of namesIn(place)) {
      const address = addressIn(place, name);
      for (const path of [address.socketPath, address.lockPath]) ours.add(path);
      await lookAtName(address, found);
    }
    for (const file of list(place.directory).sort()) {
      const path = join(place.directory, file);
      // Links and directories that exist for a moment while a name is taken are left to the sweep.
      if (ours.has(path) || /^\.r[A-Za-z0-9]{6}$/.test(file) || file.includes(".sock.turn")) continue;
      found.kept.push({ kind: "other", path, pid: null, reason: "is not of ringbell" });
    }
  }
  lookAtMemory(memory, found);
  return found;
}

/** Returns the kind of a path that a sweep has removed. */
export function kindOf(path: string): Kind {
  const file = basename(path);
  if (file.endsWith(".sock")) return "socket";
  if (file.endsWith(".lock")) return "lock";
  return "directory";
}

async function lookAtName(address: Address, found: Leftovers): Promise<void> {
  const { socketPath, lockPath } = address;
  const record = readRecord(lockPath);
  const pid = typeof record === "string" ? null : (pidHere(record) ?? null);
  const files: Item[] = [
    { kind: "socket", path: socketPath, pid },
    { kind: "lock", path: lockPath, pid },
  ];
  const there = files.filter(({ path }) => look(path) !== undefined);
  const keep = (reason: string, owner = pid) => {
    found.kept.push(...there.slice(0, 1).map((file) => ({ ...file, pid: owner, reason })));
  };
  try {
    const binding = tryBinding();
    const probe = binding === undefined ? await probeNet(socketPath) : probeNative(binding, socketPath);
    if (probe.state === "live") {
      const owner = probe.pid ?? pid;
      keep(`${nameOf(owner)} listens`, owner);
      return;
    }
    const unseen = unseenOwner(address, probe.state === "free");
    if (unseen !== undefined) {
      const owner = unseen.pid ?? null;
      keep(`${nameOf(owner)} listens, but its socket was taken away`, owner);
    } else if (readLiveRecord(lockPath) !== undefined) {
      keep(`${nameOf(pid)} is taking the name or giving it up`);
    } else {
      found.stale.push(...there);
    }
  } catch (error) {
    keep((error as Error).message);
  }
}

function nameOf(pid: number | null): string {
  return pid === null ? "a process" : `process ${pid}`;
}

function lookAtMemory(directory: string, found: Leftovers): void {
  if (process.platform !== "linux") return;
  for (const file of list(directory).sort()) {
    const owner = regionOwner(file);
    const stat = owner === undefined ? undefined : look(join(directory, file));
    if (owner === undefined || stat === undefined) continue;
    const item: Item = { kind: "memory", path: `/${file}`, pid: pidHere(owner) ?? null };
    const alive = isAliveIn(owner);
    if (!isOurUid(stat.uid)) {
      found.kept.push({ ...item, reason: `belongs to user ${stat.uid}` });
    } else if (alive === undefined) {
      const age = Math.floor((Date.now() - stat.mtimeMs) / 60_000);
      const reason = `was made ${plural(age, "minute")} ago in another container; removed when it is older`;
      found.kept.push({ ...item, reason });
    } else if (alive) {
      found.kept.push({ ...item, reason: `process ${owner.pid} lives` });
    } else {
      found.stale.push(item);
    }
  }
}

import { lstatSync, rmdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { checkOptions } from "../../check.js";
import { turn, wallClock } from "../../clock.js";
import type { Binding } from "../../native/binding.js";
import { tryBinding } from "../../native/load.js";
import { trace } from "../../trace.js";
import { checkPlace, removeDirectory } from "./directory.js";
import { list } from "./files.js";
import { isAliveIn } from "./identity.js";
import { inTurn, removeIfDead } from "./link-lock.js";
import { lockName } from "./name-lock.js";
import { addressIn, NAME_PATTERN, type Place, type ResolvedPlace, resolvePlace } from "./names.js";
import { readLiveRecord } from "./owner-record.js";
import { probeNative, probeNet } from "./probe.js";
import { regionOwner } from "./region-names.js";
import { turnPath } from "./taking.js";
import { unseenDirectories, unseenOwner } from "./unseen.js";
import { isOurUid } from "./user.js";

export interface SweepOptions extends Place {
  /** Whether to sweep all namespaces of the directory, instead of one. Default false. */
  readonly everyNamespace?: boolean | undefined;
}

/** The result of a sweep. All texts are paths, except `regions`: names of shared memory. */
export interface SweepReport {
  /** Sockets, lock files and other leftovers of dead processes that were removed. */
  readonly removed: readonly string[];
  /** Names in shared memory that dead processes left and that were removed. */
  readonly regions: readonly string[];
  /** The sockets on which a process listens, even if their files were taken away. They were left alone. */
  readonly live: readonly string[];
  /** Paths that could not be examined or removed, each with the error. */
  readonly failed: readonly { readonly path: string; readonly error: Error }[];
}

interface Report {
  removed: string[];
  regions: string[];
  live: string[];
  failed: { path: string; error: Error }[];
}

/** The directory that lists POSIX shared memory. macOS has none; there a killed process's region stays until the system restarts. */
const SHM_DIRECTORY = "/dev/shm";
/** The age (ms) from which the name of another container's region is stale: no handshake takes so long. */
const FOREIGN_AGE = 15 * 60 * 1000;
/** The age (ms) from which a hidden directory for binding (see endpoint.ts) is no longer in use. */
const HIDDEN_AGE = 60 * 1000;

/**
 * Removes what dead processes left behind: in a namespace, sockets without a listener and their lock files;
 * and names of shared memory. Leaves alone what a live process owns and what belongs to other users. May run
 * at any time, in many processes at once, and again. Throws an AccessError if the directory is not safe to
 * use.
 */
export async function sweep(options: SweepOptions = {}): Promise<SweepReport> {
  checkOptions(options, ["namespace", "directory", "everyNamespace"], "options");
  const place = resolvePlace(options);
  await turn();
  return sweepPlaces(options.everyNamespace === true ? everyPlace(place) : [place]);
}

/** Sweeps one namespace (undefined: none) and the names of shared memory. */
export function sweepPlace(place: ResolvedPlace | undefined): Promise<SweepReport> {
  return sweepPlaces(place === undefined ? [] : [place]);
}

async function sweepPlaces(places: readonly ResolvedPlace[]): Promise<SweepReport> {
  const report: Report = { removed: [], regions: [], live: [], failed: [] };
  for (const place of places) await sweepNames(place, report);
  sweepRegions(report);
  trace(
    "swept %o: %o",
    places.map((place) => place.directory),
    report,
  );
  return report;
}

/** Returns all namespaces in the directory that holds the namespace `place`. */
export function everyPlace(place: ResolvedPlace): ResolvedPlace[] {
  return [...new Set([...list(place.base), ...unseenDirectories(place.base)])]
    .filter((namespace) => NAME_PATTERN.test(namespace))
    .map((namespace) => ({ ...place, namespace, directory: join(place.base, namespace) }));
}

/** Returns the names that have left traces in a namespace: a socket, a lock file, or a turn. */
export function namesIn(place: ResolvedPlace): string[] {
  const names = new Set<string>();
  for (const file of list(place.directory)) {
    const name = /^(.*?)(\.sock|\.lock|\.sock\.turn)$/.exec(file)?.[1];
    if (name !== undefined && NAME_PATTERN.test(name)) names.add(name);
  }
  return [...names].sort();
}

async function sweepNames(place: ResolvedPlace, report: Report): Promise<void> {
  if (!checkPlace(place)) return;
  const binding = tryBinding();
  for (const name of namesIn(place)) {
    let address: ReturnType<typeof addressIn>;
    try {
      address = addressIn(place, name);
      if (binding === undefined) await sweepInTurn(address, report);
      else sweepWithLock(binding, address, report);
    } catch (error) {
      report.failed.push({ path: join(place.directory, name), error: error as Error });
    }
  }
  sweepHidden(place, report);
  if (removeDirectory(place)) report.removed.push(place.directory);
}

type Names = ReturnType<typeof addressIn>;

function sweepWithLock(binding: Binding, address: Names, report: Report): void {
  const { socketPath, lockPath } = address;
  const lock = lockName(binding, lockPath);
  if (lock === "gone") return;
  if (lock === "held") {
    report.live.push(socketPath);
    return;
  }
  let remove = false;
  try {
    const { state } = probeNative(binding, socketPath);
    if (state === "live" || unseenOwner(address, state === "free", true) !== undefined) {
      report.live.push(socketPath);
      return;
    }
    // A process without the addon is just taking the name.
    if (!removeIfDead(turnPath(address))) return;
    remove = true;
    removeFile(socketPath, report);
  } finally {
    lock.release(remove);
    if (remove) report.removed.push(lockPath);
  }
}

async function sweepInTurn(address: Names, report: Report): Promise<void> {
  const { socketPath, lockPath } = address;
  await inTurn(turnPath(address), async () => {
    const { state } = await probeNet(socketPath);
    if (state === "live" || unseenOwner(address, state === "free") !== undefined) {
      report.live.push(socketPath);
      return;
    }
    removeFile(socketPath, report);
    // A process with the addon may have the lock, and not listen yet.
    if (readLiveRecord(lockPath) === undefined) removeFile(lockPath, report);
  });
}

function removeFile(path: string, report: Report): void {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  try {
    unlinkSync(path);
    report.removed.push(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** Removes directories in which a process without the addon was making its socket when it died, and marks that it moved away. */
function sweepHidden(place: ResolvedPlace, report: Report): void {
  for (const file of list(place.directory)) {
    const mark = /\.turn\.[0-9a-f]{8}$/.test(file);
    if (!mark && !/^\.r[A-Za-z0-9]{6}$/.test(file)) continue;
    const path = join(place.directory, file);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined || !isOurUid(stat.uid) || !(mark ? stat.isSymbolicLink() : stat.isDirectory()))
      continue;
    if (wallClock() - stat.mtimeMs < HIDDEN_AGE) continue;
    try {
      if (mark) unlinkSync(path);
      else {
        for (const socket of list(path)) unlinkSync(join(path, socket));
        rmdirSync(path);
      }
      report.removed.push(path);
    } catch (error) {
      report.failed.push({ path, error: error as Error });
    }
  }
}

/** Removes names in shared memory of our own user, if their process died between making the region and the peer's mapping it. */
export function sweepRegions(report: Pick<Report, "regions" | "failed">, directory = SHM_DIRECTORY): void {
  if (process.platform !== "linux") return;
  for (const file of list(directory)) {
    const owner = regionOwner(file);
    if (owner === undefined) continue;
    const path = join(directory, file);
    try {
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat === undefined || !stat.isFile() || !isOurUid(stat.uid)) continue;
      const alive = isAliveIn(owner) ?? wallClock() - stat.mtimeMs <= FOREIGN_AGE;
      if (alive) continue;
      unlinkSync(path);
      report.regions.push(`/${file}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT")
        report.failed.push({ path, error: error as Error });
    }
  }
}

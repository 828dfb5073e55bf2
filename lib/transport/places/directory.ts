import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmdirSync,
  type Stats,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { AccessError, SystemError } from "../../errors.js";
import { permissionError } from "./denied.js";
import type { Address, ResolvedPlace } from "./names.js";
import { isOurUid, ourUid } from "./user.js";

const STICKY = 0o1000;
const WORLD_WRITABLE = 0o002;

/**
 * Makes the directory of an endpoint if it is missing, and checks that no other user can put a socket into
 * it. Throws an AccessError that names the path, its mode and owner, and our uid.
 */
export function prepareDirectory(address: Address): void {
  const { place } = address;
  if (place === undefined) {
    makeGiven(address.directory);
    return;
  }
  if (place.given) {
    const base = makeGiven(place.base);
    makeLike(place.directory, base);
    return;
  }
  makePrivate(place.base);
  makePrivate(place.directory);
}

/**
 * Checks the directory of an endpoint without making anything. Returns false if it does not exist. Throws an
 * AccessError as `prepareDirectory` does.
 */
export function checkDirectory(address: Address): boolean {
  return address.place === undefined
    ? checkGiven(address.directory) !== undefined
    : checkPlace(address.place);
}

/** Like `checkDirectory`, for a whole namespace. */
export function checkPlace(place: ResolvedPlace): boolean {
  if (place.given) {
    return checkGiven(place.base) !== undefined && checkGiven(place.directory) !== undefined;
  }
  return checkPrivate(place.base) && checkPrivate(place.directory);
}

/** Directories of namespaces that this process made in a given directory, and may therefore remove. */
const made = new Set<string>();

/** Removes the directory of a namespace if it is empty and this process may remove it. Returns whether it did. */
export function removeDirectory(place: ResolvedPlace | undefined): boolean {
  if (place === undefined || (place.given && !made.has(place.directory))) return false;
  try {
    rmdirSync(place.directory);
    return true;
  } catch {
    return false; // The directory is in use again, or gone.
  }
}

/** Returns what kind of file it is, in words. */
export function kindOf(stat: Stats): string {
  if (stat.isFile()) return "a file";
  if (stat.isDirectory()) return "a directory";
  if (stat.isSymbolicLink()) return "a symbolic link";
  if (stat.isSocket()) return "a socket";
  return stat.isFIFO() ? "a pipe" : "a device";
}

/** Describes a file for an access error, such as "mode 0755, owner uid 0, group gid 0". */
export function describeFile(stat: Stats): string {
  return `mode ${(stat.mode & 0o7777).toString(8).padStart(4, "0")}, owner uid ${stat.uid}, group gid ${stat.gid}`;
}

/** System calls that no rights of files decide about. */
const WITHOUT_RIGHTS = new Set(["socket", "listen", "accept", "flock", "getsockopt"]);

/**
 * Returns whether the refusal of a system call has another reason than the rights of files, most likely a
 * sandbox. A call that the rights refuse to connect or bind fails with EACCES, and the rights show it.
 */
function isSandbox(path: string, cause: unknown): boolean {
  const { code, syscall } = cause as NodeJS.ErrnoException;
  if (syscall === undefined) return false;
  if (WITHOUT_RIGHTS.has(syscall)) return true;
  if (syscall !== "connect" && syscall !== "bind") return false;
  if (code !== "EACCES") return code === "EPERM";
  try {
    accessSync(syscall === "connect" ? path : dirname(path), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes the error for a path that the system refuses: an AccessError, which names the deepest part of the path
 * that can be seen, or a SystemError if the rights of files are not the reason.
 */
export function accessError(path: string, purpose: string, cause: unknown): AccessError | SystemError {
  if (isSandbox(path, cause)) {
    const { code, syscall, message } = cause as NodeJS.ErrnoException;
    const text = `can't ${purpose} ${path}: the system refuses this process the call ${syscall} (${message}), as a sandbox does`;
    return new SystemError(text, code ?? "UNKNOWN", syscall ?? "unknown", path, { cause });
  }
  const denied = permissionError(`${purpose} ${path}`, cause, path);
  if (denied !== undefined) return denied;
  let seen = path;
  let stat: Stats | undefined;
  while (stat === undefined) {
    try {
      stat = lstatSync(seen);
    } catch {
      const parent = dirname(seen);
      if (parent === seen) break;
      seen = parent;
    }
  }
  const whose = stat === undefined ? "" : `${seen === path ? "it" : seen} has ${describeFile(stat)}; `;
  return new AccessError(
    `no permission to ${purpose} ${path}: ${whose}this process runs as uid ${ourUid()}`,
    path,
    {
      cause,
    },
  );
}

function makePrivate(path: string): void {
  make(path);
  checkPrivate(path);
}

function makeGiven(path: string): Stats {
  make(path);
  return checkGiven(path)!;
}

/** Makes a namespace in a given directory, open to the same users as that directory. */
function makeLike(path: string, base: Stats): void {
  if (make(path)) {
    made.add(path);
    try {
      // The rights go from narrow to wide, so that they are never too wide.
      if (lstatSync(path).gid !== base.gid) chownSync(path, -1, base.gid);
      chmodSync(path, base.mode & 0o7777);
    } catch {
      // This process is not a member of that group: the directory stays private.
    }
  }
  checkGiven(path);
}

/** Makes the directory. Returns whether it was missing. */
function make(path: string): boolean {
  try {
    return mkdirSync(path, { recursive: true, mode: 0o700 }) !== undefined;
  } catch (cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
      throw accessError(path, "make the directory", cause);
    }
    if (code === "EEXIST" || code === "ENOTDIR") {
      throw new AccessError(
        `${path} must be a directory; it, or a part of its path, is something else`,
        path,
        {
          cause,
        },
      );
    }
    const message = `can't make the directory ${path}: ${(cause as Error).message}`;
    throw new SystemError(message, code ?? "UNKNOWN", syscall ?? "mkdir", path, { cause });
  }
}

function checkPrivate(path: string): boolean {
  // lstat shows a symbolic link, which could be turned to another place between this check and the use.
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  if (!stat.isDirectory()) {
    throw new AccessError(
      `${path} must be a directory, not ${kindOf(stat)} ` +
        `(${describeFile(stat)}); this process runs as uid ${ourUid()}`,
      path,
    );
  }
  if ((stat.mode & 0o077) !== 0 || !isOurs(path, stat)) {
    throw new AccessError(
      `${path} must belong to us and be closed to everybody else (mode 0700); it has ${describeFile(stat)}; ` +
        `this process runs as uid ${ourUid()}`,
      path,
    );
  }
  checkParent(path);
  return true;
}

function isOurs(path: string, stat: Stats): boolean {
  if (stat.uid !== ourUid()) return false;
  return isOurUid(stat.uid) || provesOwner(path);
}

/** Returns whether the kernel lets us do what only the owner of the directory may. It changes nothing. */
function provesOwner(path: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch {
    return false;
  }
  try {
    fchmodSync(descriptor, 0o700);
    return true;
  } catch {
    return false;
  } finally {
    closeSync(descriptor);
  }
}

function checkParent(path: string): void {
  const parent = dirname(path);
  const stat = statSync(parent);
  if ((stat.mode & WORLD_WRITABLE) !== 0 && (stat.mode & STICKY) === 0) {
    throw new AccessError(
      `${parent} lets everybody rename ${path}: it has ${describeFile(stat)} and no sticky bit; ` +
        `this process runs as uid ${ourUid()}`,
      parent,
    );
  }
}

function checkGiven(path: string): Stats | undefined {
  let stat: Stats | undefined;
  try {
    stat = statSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    throw accessError(path, "look at", cause);
  }
  if (stat === undefined) return undefined;
  if (!stat.isDirectory()) throw new AccessError(`${path} must be a directory, not ${kindOf(stat)}`, path);
  if ((stat.mode & WORLD_WRITABLE) !== 0 && (stat.mode & STICKY) === 0) {
    throw new AccessError(
      `everybody may replace what lies in ${path}: it has ${describeFile(stat)} and no sticky bit; ` +
        `this process runs as uid ${ourUid()}`,
      path,
    );
  }
  return stat;
}

import { readFileSync, readlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { list, lookThrough } from "./files.js";
import { isAliveIn, isOurProc, pidHere } from "./identity.js";
import type { Address } from "./names.js";
import { type DiscoveryRecord, readRecord } from "./owner-record.js";

/**
 * Owners whose files were taken away, by hand or by a program that cleans up temporary files. Their sockets
 * still listen, and nobody can reach them. Linux lists each listening socket under the path to which it was
 * bound, for as long as it is open. So such a name is not given to another process.
 */

/** The owner of a name whose socket can't be reached. */
export interface UnseenOwner {
  /** Undefined if its pid is not known here. */
  readonly pid: number | undefined;
}

interface Listening {
  /** The path to which the socket was bound. */
  readonly path: string;
  /** The number of the socket, by which descriptors name it. */
  readonly inode: string;
}

/** The form of the directory in which a process without the addon makes its socket, under the name that it gets. */
const HIDDEN = /^\.r[A-Za-z0-9]{6}$/;

/**
 * Returns the live owner of a name on whose path no process answers, or undefined. `gone`: whether there is no
 * file at that path. `locked`: whether we hold the lock of the name.
 */
export function unseenOwner(address: Address, gone: boolean, locked = false): UnseenOwner | undefined {
  const record = readRecord(address.lockPath);
  const known = typeof record === "string" || isAliveIn(record) === false ? undefined : record;
  for (const { inode } of listeningAt(address, known)) {
    const holder = holderOf(inode);
    if (holder !== undefined && seesSame(holder, address.directory)) {
      return { pid: isOurProc() ? Number(holder) : undefined };
    }
  }
  // Where the kernel gives no list, the record decides. A socket that is there and refuses has no owner. Nor
  // has a lock that is free, if the owner had locked it.
  if (known === undefined || !gone || (locked && known.locked === true) || isSeen(known)) return undefined;
  return { pid: pidHere(known) };
}

/** Returns the names below a directory for which sockets listen that have no file any more, or another one's. */
export function unseenNames(directory: string): string[] {
  const sockets = listening("self").filter(({ path }) => parentOf(path) === directory);
  return [...new Set(sockets.map(({ path }) => basename(path)))]
    .filter((file) => file.endsWith(".sock"))
    .map((file) => file.slice(0, -".sock".length));
}

/** Returns the directories in `base` for which sockets listen. */
export function unseenDirectories(base: string): string[] {
  const parents = listening("self").map(({ path }) => parentOf(path));
  return [...new Set(parents)].filter((path) => dirname(path) === base).map((path) => basename(path));
}

function listeningAt(address: Address, record: DiscoveryRecord | undefined): Listening[] {
  const file = basename(address.socketPath);
  const pid = record === undefined ? undefined : pidHere(record);
  // A Unix socket with a path can be reached from another network namespace, which has a list of its own.
  const lists = pid === undefined ? ["self"] : ["self", String(pid)];
  return lists
    .flatMap(listening)
    .filter(({ path }) => basename(path) === file && parentOf(path) === address.directory);
}

/** Returns the directory in which the file of the socket lies, or lay. */
function parentOf(path: string): string {
  const parent = dirname(path);
  return HIDDEN.test(basename(parent)) ? dirname(parent) : parent;
}

/** Returns the listening Unix sockets in the network namespace of a process that have a path. */
function listening(pid: string): Listening[] {
  if (process.platform !== "linux") return [];
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/net/unix`, "utf8");
  } catch {
    return [];
  }
  // Num: RefCount Protocol Flags Type St Inode Path. The flag 0x10000 stands for a listening socket.
  return [...text.matchAll(/^\S+: \S+ \S+ 0001\S{4} 0001 \S+ +(\d+) (\/.*)$/gm)].map(([, inode, path]) => ({
    inode: inode!,
    path: path!,
  }));
}

/** Returns the process that has the socket open, as /proc numbers it; undefined if we may not see it. */
function holderOf(inode: string): string | undefined {
  const link = `socket:[${inode}]`;
  return list("/proc").find((pid) => /^\d+$/.test(pid) && descriptorsOf(pid).includes(link));
}

function descriptorsOf(pid: string): string[] {
  return list(`/proc/${pid}/fd`).map((descriptor) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${descriptor}`);
    } catch {
      return ""; // It was closed meanwhile.
    }
  });
}

/**
 * Returns whether the path means the same directory to that process as to us. Another container can have
 * another directory under the same path, and a stranger can make one to keep us from our name.
 */
function seesSame(pid: string, path: string): boolean {
  const ours = lookThrough(path);
  const theirs = lookThrough(join(`/proc/${pid}/root`, path));
  if (ours === undefined && theirs === undefined && path !== "/") return seesSame(pid, dirname(path));
  return ours !== undefined && theirs !== undefined && ours.ino === theirs.ino && ours.dev === theirs.dev;
}

/** Returns whether the kernel lets us see all sockets of that process. */
function isSeen(record: DiscoveryRecord): boolean {
  const pid = pidHere(record);
  return pid !== undefined && isOurProc() && list(`/proc/${pid}/fd`).length > 0;
}

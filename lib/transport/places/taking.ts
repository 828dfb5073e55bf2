import {
  chmodSync,
  closeSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  openSync,
  rmSync,
  type Stats,
  unlinkSync,
} from "node:fs";
import { createServer } from "node:net";
import { basename, join } from "node:path";
import { type AccessError, AlreadyRunningError, SystemError } from "../../errors.js";
import type { Binding } from "../../native/binding.js";
import { type Acceptor, acceptNative, acceptNet } from "../wire/acceptor.js";
import { accessError } from "./directory.js";
import { look } from "./files.js";
import { inTurn } from "./link-lock.js";
import { lockName, type NameLock } from "./name-lock.js";
import { type Address, checkPathLength, LONGEST_SOCKET_PATH } from "./names.js";
import { type DiscoveryRecord, readLivePid, readRecord, writeRecord } from "./owner-record.js";
import { type Probe, probeNative, probeNet, statSocket } from "./probe.js";
import { unseenOwner } from "./unseen.js";

/** The most connections that wait in the kernel for the listener's event loop. The kernel may allow fewer. */
const BACKLOG = 512;
/** The name of a hidden socket whose path would otherwise be too long. */
const SHORT = "s";

/** A name that was taken: its socket, the lock or record, and their files. */
export interface Taken {
  readonly acceptor: Acceptor;
  /** The files, so that no others are taken for them, or removed in their place. */
  readonly socket: Stats;
  readonly lock: Stats;
  /** The lock of the kernel; undefined without the addon. */
  readonly held: NameLock | undefined;
  /** Gives up the lock, and removes its file if it is this one. */
  removeLock(): void;
}

/** The name that is to be taken, and how. `former`: what this process has of it, if files of it were taken away. */
export interface Taking {
  readonly address: Address;
  readonly mode: number;
  readonly record: DiscoveryRecord;
  readonly former?: Taken | undefined;
}

/** Takes the name by its lock. Returns undefined if the lock is not free now. */
export function takeWithLock(binding: Binding, taking: Taking): Taken | undefined {
  const { address, mode, record, former } = taking;
  const { socketPath, lockPath } = address;
  const kept = former?.held?.isThere() ? former.held : undefined;
  const lock = kept ?? lockName(binding, lockPath);
  if (typeof lock === "string") return undefined;
  let mine = false;
  const giveUp = () => {
    if (lock !== kept) lock.release(mine);
  };
  try {
    checkLockFile(address);
    const socketThere = former !== undefined && isFile(socketPath, former.socket);
    // A listener without the addon holds no lock.
    if (!socketThere) clear(probeNative(binding, socketPath), taking, true);
    mine = true;
    writeRecord(lock.descriptor, record);
    const acceptor = socketThere ? former.acceptor : listenNative(binding, socketPath, mode);
    if (acceptor === undefined) {
      giveUp();
      return undefined;
    }
    if (lock !== kept) former?.held?.release(false);
    return {
      acceptor,
      socket: lstatSync(socketPath),
      lock: fstatSync(lock.descriptor),
      held: lock,
      removeLock: () => lock.release(true),
    };
  } catch (error) {
    giveUp();
    throw error;
  }
}

/** Makes way for a new socket: removes one that nobody listens on. Throws an AlreadyRunningError if the name has an owner. */
function clear(probe: Probe, { address, former }: Taking, locked: boolean): void {
  const { socketPath, lockPath } = address;
  if (probe.state === "live") {
    const pid = probe.pid ?? readLivePid(lockPath) ?? unseenOwner(address, false)?.pid;
    throw new AlreadyRunningError(socketPath, pid);
  }
  const owner = unseenOwner(address, probe.state === "free", locked);
  const ourselves = former !== undefined && owner?.pid === process.pid;
  if (owner !== undefined && !ourselves) throw new AlreadyRunningError(socketPath, owner.pid);
  if (probe.state === "stale") unlinkSync(socketPath);
}

/** Listens by the addon. Returns undefined if a process without the addon was faster. */
function listenNative(binding: Binding, path: string, mode: number): Acceptor | undefined {
  try {
    return acceptNative(binding, binding.socketListen(path, mode, BACKLOG));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") return undefined;
    throw listenError(path, cause);
  }
}

function listenError(path: string, cause: unknown): AccessError | SystemError {
  const { code, syscall, message } = cause as NodeJS.ErrnoException;
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") return accessError(path, "listen on", cause);
  const text = `can't listen on ${path}: ${message}`;
  return new SystemError(text, code ?? "UNKNOWN", syscall ?? "bind", path, { cause });
}

/** Takes the name without the addon. Returns undefined if no turn came. */
export function takeInTurn(taking: Taking): Promise<Taken | undefined> {
  const { address, mode, record, former } = taking;
  const { socketPath, lockPath } = address;
  return inTurn(turnPath(address), async () => {
    checkLockFile(address);
    const socketThere = former !== undefined && isFile(socketPath, former.socket);
    if (!socketThere) clear(await probeNet(socketPath), taking, false);
    const acceptor = socketThere ? former.acceptor : await listenNet(address, mode);
    if (acceptor === undefined) return undefined;
    const descriptor = openSync(lockPath, "w", 0o600);
    writeRecord(descriptor, record);
    const lock = fstatSync(descriptor);
    closeSync(descriptor);
    return {
      acceptor,
      socket: statSocket(socketPath)!,
      lock,
      held: undefined,
      removeLock() {
        const now = readRecord(lockPath);
        if (typeof now !== "string" && now.pid === record.pid && now.created === record.created) {
          rmSync(lockPath, { force: true });
        }
      },
    };
  });
}

/** Returns the path of the link by which processes without the addon take turns at a name. */
export function turnPath(address: Pick<Address, "socketPath">): string {
  return `${address.socketPath}.turn`;
}

/**
 * Listens on a socket in a hidden private directory, sets its rights there, and only then links it under its
 * name. Otherwise node:net would make it with the rights that the umask leaves. Returns undefined if the name
 * is taken. The kernel goes on to know the socket by its hidden path (see unseen.ts).
 */
async function listenNet(address: Address, mode: number): Promise<Acceptor | undefined> {
  const hidden = mkdtempSync(join(address.directory, ".r"));
  const longer = join(hidden, basename(address.socketPath));
  const path = Buffer.byteLength(longer) <= LONGEST_SOCKET_PATH ? longer : join(hidden, SHORT);
  try {
    checkPathLength(path, "name");
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause) => reject(listenError(address.socketPath, cause)));
      // `exclusive`: a worker of node:cluster must listen itself; otherwise the primary would.
      const listening = () => {
        server.removeAllListeners("error");
        resolve();
      };
      try {
        server.listen({ path, backlog: BACKLOG, exclusive: true }, listening);
      } catch (cause) {
        // Node's permission model throws here.
        reject(listenError(address.socketPath, cause));
      }
    });
    try {
      chmodSync(path, mode);
      linkSync(path, address.socketPath);
      return acceptNet(server);
    } catch (cause) {
      server.close();
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === "EEXIST") return undefined;
      throw new SystemError(
        `can't listen on ${address.socketPath}: ${message}`,
        code ?? "UNKNOWN",
        "link",
        address.socketPath,
        { cause },
      );
    }
  } finally {
    rmSync(hidden, { recursive: true, force: true });
  }
}

/** Throws if the lock's path holds another file. Beside a user's own path, it may be a file of the user. */
function checkLockFile(address: Address): void {
  if (address.place !== undefined || readRecord(address.lockPath) !== "foreign") return;
  const message = `${address.lockPath} is in the way: it must be a lock file of ringbell, and is another file; remove it`;
  throw new SystemError(message, "EEXIST", "open", address.lockPath);
}

/** Returns whether this very file lies at the path. The kernel keeps the file of an open socket, so no other can have its number. */
export function isFile(path: string, file: Stats): boolean {
  const now = look(path);
  return now?.ino === file.ino && now.dev === file.dev;
}

import {
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  openSync,
  rmSync,
  type Stats,
  unlinkSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type AccessError, AlreadyRunningError, SystemError } from "../../errors.js";
import type { Binding } from "../../native/binding.js";
import { type Acceptor, acceptNative, acceptNet } from "../wire/acceptor.js";
import { PROTOCOL_VERSION } from "../wire/protocol.js";
import { atExit } from "./at-exit.js";
import { accessError, prepareDirectory, removeDirectory } from "./directory.js";
import { ourIdentity } from "./identity.js";
import { inTurn } from "./link-lock.js";
import { lockName } from "./name-lock.js";
import { type Address, checkPathLength } from "./names.js";
import { type DiscoveryRecord, makeRecord, readLiveRecord, readRecord, writeRecord } from "./owner-record.js";
import { probeNative, probeNet, statSocket } from "./probe.js";

/** The most connections that wait in the kernel for the listener's event loop. The kernel may allow fewer. */
const BACKLOG = 512;
/** PATIENCE: how long (ms) to try again while others come and go at the same name. INTERVAL: how long (ms) to wait in between. */
const PATIENCE = 2000;
const INTERVAL = 5;

/** A name that this process listens on. */
export interface Endpoint {
  readonly address: Address;
  readonly record: DiscoveryRecord;
  readonly acceptor: Acceptor;
  /** Gives up the name and closes the socket. Idempotent. */
  close(): void;
}

/**
 * Takes a name and listens on it. It takes the lock of the name first, and then probes the socket that may
 * lie there. It removes only a socket without a listener. The lock file holds the discovery record. `close`
 * and the exit remove socket and lock file. The next listener of that name takes over what a killed process
 * leaves.
 *
 * Without the addon there are no locks, and turns are taken as link-lock.ts describes.
 *
 * Throws an AlreadyRunningError with the owner's pid, an AccessError, or a SystemError.
 */
export async function openEndpoint(
  address: Address,
  binding: Binding | undefined,
  mode: number,
  role: string | undefined,
): Promise<Endpoint> {
  const record = makeRecord(address, ourIdentity(), role, PROTOCOL_VERSION);
  const end = performance.now() + PATIENCE;
  while (performance.now() < end) {
    prepareDirectory(address);
    const taken =
      binding === undefined
        ? await takeInTurn(address, mode, record)
        : takeWithLock(binding, address, mode, record);
    if (taken !== undefined) return makeEndpoint(address, record, taken);
    // Another process is busy with the name. It has the lock but no record yet, or it is sweeping, or going
    // away.
    if (binding !== undefined) {
      const owner = readLiveRecord(address.lockPath);
      if (owner !== undefined) throw new AlreadyRunningError(address.socketPath, owner.pid);
    }
    await delay(INTERVAL);
  }
  throw new AlreadyRunningError(address.socketPath, undefined);
}

interface Taken {
  readonly acceptor: Acceptor;
  /** The socket's file, so that no other file is removed in its place. */
  readonly socket: Stats;
  removeLock(): void;
}

function makeEndpoint(address: Address, record: DiscoveryRecord, taken: Taken): Endpoint {
  let open = true;
  const giveUp = () => {
    if (!open) return;
    open = false;
    unlinkIfSame(address.socketPath, taken.socket);
    taken.removeLock();
    removeDirectory(address.place);
  };
  const forget = atExit(giveUp);
  return {
    address,
    record,
    acceptor: taken.acceptor,
    close() {
      forget();
      giveUp();
      taken.acceptor.close();
    },
  };
}

/** Takes the name by its lock. Returns undefined if the lock is not free now. */
function takeWithLock(
  binding: Binding,
  address: Address,
  mode: number,
  record: DiscoveryRecord,
): Taken | undefined {
  const { socketPath, lockPath } = address;
  const lock = lockName(binding, lockPath);
  if (typeof lock === "string") return undefined;
  let mine = false;
  try {
    checkLockFile(address);
    const probe = probeNative(binding, socketPath);
    if (probe.state === "live") {
      // A listener without the addon holds no lock.
      throw new AlreadyRunningError(socketPath, probe.pid ?? readLiveRecord(lockPath)?.pid);
    }
    mine = true;
    if (probe.state === "stale") unlinkSync(socketPath);
    writeRecord(lock.descriptor, record);
    const descriptor = listenNative(binding, socketPath, mode);
    if (descriptor === undefined) {
      lock.release(true);
      return undefined;
    }
    return {
      acceptor: acceptNative(binding, descriptor),
      socket: lstatSync(socketPath),
      removeLock: () => lock.release(true),
    };
  } catch (error) {
    lock.release(mine);
    throw error;
  }
}

/** Listens by the addon. Returns undefined if a process without the addon was faster. */
function listenNative(binding: Binding, path: string, mode: number): number | undefined {
  try {
    return binding.socketListen(path, mode, BACKLOG);
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
function takeInTurn(address: Address, mode: number, record: DiscoveryRecord): Promise<Taken | undefined> {
  const { socketPath, lockPath } = address;
  return inTurn(turnPath(address), async () => {
    checkLockFile(address);
    const probe = await probeNet(socketPath);
    if (probe.state === "live") throw new AlreadyRunningError(socketPath, readLiveRecord(lockPath)?.pid);
    if (probe.state === "stale") unlinkSync(socketPath);
    const server = await listenNet(address, mode);
    if (server === undefined) return undefined;
    const descriptor = openSync(lockPath, "w", 0o600);
    writeRecord(descriptor, record);
    closeSync(descriptor);
    return {
      acceptor: acceptNet(server),
      socket: statSocket(socketPath)!,
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
 * is taken.
 */
async function listenNet(address: Address, mode: number): Promise<Server | undefined> {
  const hidden = mkdtempSync(join(address.directory, ".r"));
  const path = join(hidden, "s");
  try {
    checkPathLength(path, "name");
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause) => reject(listenError(address.socketPath, cause)));
      // `exclusive`: a worker of node:cluster must listen itself; otherwise the primary would.
      server.listen({ path, backlog: BACKLOG, exclusive: true }, () => {
        server.removeAllListeners("error");
        resolve();
      });
    });
    try {
      chmodSync(path, mode);
      linkSync(path, address.socketPath);
      return server;
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

function unlinkIfSame(path: string, socket: Stats): void {
  const now = lstatSync(path, { throwIfNoEntry: false });
  // The kernel keeps the file as long as the socket is open, so no other file can have this number.
  if (now?.ino === socket.ino && now.dev === socket.dev) rmSync(path, { force: true });
}

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
import { AlreadyRunningError, SystemError } from "../../errors.js";
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

/** Connections that wait in the kernel for the listener's event loop. The kernel may allow fewer. */
const BACKLOG = 512;
/** How long (ms) to begin anew when others come and go at the same name, and how long to wait in between. */
const PATIENCE = 2000;
const INTERVAL = 5;

/** A name that this process listens on. */
export interface Endpoint {
  readonly address: Address;
  readonly record: DiscoveryRecord;
  readonly acceptor: Acceptor;
  /** Gives the name up and closes the socket. Idempotent. */
  close(): void;
}

/**
 * Takes a name and listens on it: the lock of the name first, then a probe of the socket that may lie there, and
 * only a socket that nobody listens on is removed. The lock file holds the discovery record. Socket and lock file are
 * removed by `close` and at exit; what a killed process leaves is taken over by the next one of that name.
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
    // Somebody else is at it: it has the lock but has not written its record yet, or it is sweeping, or going away.
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
  /** The socket's file, so that no other is removed in its place. */
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

/** Undefined if the lock is not to be had now. */
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

/** Undefined if somebody without the addon was faster. */
function listenNative(binding: Binding, path: string, mode: number): number | undefined {
  try {
    return binding.socketListen(path, mode, BACKLOG);
  } catch (cause) {
    const { code, syscall, message } = cause as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") return undefined;
    if (code === "EACCES" || code === "EPERM" || code === "EROFS")
      throw accessError(path, "listen on", cause);
    const text = `can't listen on ${path}: ${message}`;
    throw new SystemError(text, code ?? "UNKNOWN", syscall ?? "bind", path, { cause });
  }
}

/** Undefined if there was no turn to be had. */
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

/** The path of the link by which those without the addon take turns at a name. */
export function turnPath(address: Pick<Address, "socketPath">): string {
  return `${address.socketPath}.turn`;
}

/**
 * Listens on a socket in a private directory of its own, gives it its rights there, and only then shows it under its
 * name: node:net would make it with the rights that the umask leaves. Undefined if the name is taken.
 */
async function listenNet(address: Address, mode: number): Promise<Server | undefined> {
  const hidden = mkdtempSync(join(address.directory, ".r"));
  const path = join(hidden, "s");
  try {
    checkPathLength(path, "name");
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      // Exclusive: a worker of node:cluster must listen itself, or the primary would.
      server.listen({ path, backlog: BACKLOG, exclusive: true }, () => {
        server.removeListener("error", reject);
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

/** Beside a path of the user's own, what is called like our lock may be a file of the user's. */
function checkLockFile(address: Address): void {
  if (address.place !== undefined || readRecord(address.lockPath) !== "foreign") return;
  const message = `${address.lockPath} is in the way: it must be a lock file of ringbell, and is another file; remove it`;
  throw new SystemError(message, "EEXIST", "open", address.lockPath);
}

function unlinkIfSame(path: string, socket: Stats): void {
  const now = lstatSync(path, { throwIfNoEntry: false });
  // The number can't have been given to another file: the kernel keeps the file as long as the socket is open.
  if (now?.ino === socket.ino && now.dev === socket.dev) rmSync(path, { force: true });
}

import { lstatSync, type Stats, statSync } from "node:fs";
import { connect } from "node:net";
import { SystemError } from "../../errors.js";
import type { Binding } from "../../native/binding.js";
import { accessError, kindOf } from "./directory.js";
import type { Address } from "./names.js";
import { readLivePid } from "./owner-record.js";
import { unseenOwner } from "./unseen.js";

/** The result of a connection attempt: no socket, a socket without a listener, or a listener. */
export type Probe =
  | { readonly state: "free" | "stale" }
  | { readonly state: "live"; readonly pid: number | undefined };

/**
 * Finds out whether a process listens on the socket, by connecting. Throws a SystemError (ENOTSOCK) if
 * another kind of file lies there, which is not ours to remove.
 */
export function probeNative(binding: Binding, path: string): Probe {
  if (statSocket(path) === undefined) return { state: "free" };
  let descriptor: number;
  try {
    descriptor = binding.socketConnect(path);
  } catch (error) {
    return judge(error as NodeJS.ErrnoException, path);
  }
  try {
    return { state: "live", pid: binding.socketCredentials(descriptor).pid || undefined };
  } finally {
    binding.closeDescriptor(descriptor);
  }
}

/**
 * Returns the pid that the process that listens has here: from the kernel, which translates it, else from its
 * record, or from the kernel's list of sockets. Undefined if it has none here.
 */
export function listenerPid(address: Address, binding: Binding | undefined): number | undefined {
  try {
    const probe = binding === undefined ? undefined : probeNative(binding, address.socketPath);
    if (probe?.state === "live" && probe.pid !== undefined) return probe.pid;
  } catch {
    // It can't be asked. The record may still tell.
  }
  return readLivePid(address.lockPath) ?? unseenOwner(address, false)?.pid;
}

/** Like `probeNative`, over node:net. */
export async function probeNet(path: string): Promise<Probe> {
  if (statSocket(path) === undefined) return { state: "free" };
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve({ state: "live", pid: undefined });
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      try {
        resolve(judge(error, path));
      } catch (wrong) {
        reject(wrong);
      }
    });
  });
}

/** Returns the socket at `path` itself (not the target of a link), or undefined. Throws as `probeNative` does. */
export function statSocket(path: string): Stats | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat !== undefined && !stat.isSocket()) {
    throw new SystemError(
      `${path} is in the way: it must be a socket, and is ${kindOf(stat)}; remove it`,
      "ENOTSOCK",
      "bind",
      path,
    );
  }
  return stat;
}

/** Throws a SystemError (ENOTSOCK) that says what lies at the path, if that is no socket. */
export function checkSocket(path: string, cause?: unknown): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.isSocket()) return;
  const text = `can't connect to ${path}: it must be a socket, and is ${kindOf(stat)}`;
  throw new SystemError(text, "ENOTSOCK", "connect", path, cause === undefined ? undefined : { cause });
}

function judge(error: NodeJS.ErrnoException, path: string): Probe {
  switch (error.code) {
    case "ENOENT":
      return { state: "free" };
    case "ECONNREFUSED":
      return { state: "stale" };
    case "EAGAIN": // The backlog is full: a process listens, and is busy.
      return { state: "live", pid: undefined };
    case "EACCES":
    case "EPERM":
      throw accessError(path, "connect to", error);
    default: {
      const message = `can't connect to ${path}: ${error.message}`;
      throw new SystemError(message, error.code ?? "UNKNOWN", "connect", path, { cause: error });
    }
  }
}

import { lstatSync, type Stats } from "node:fs";
import { connect } from "node:net";
import { SystemError } from "../../errors.js";
import type { Binding } from "../../native/binding.js";
import { accessError } from "./directory.js";

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
      `${path} is in the way: it must be a socket, and is something else; remove it`,
      "ENOTSOCK",
      "bind",
      path,
    );
  }
  return stat;
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

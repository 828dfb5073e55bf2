import { lstatSync, type Stats } from "node:fs";
import { connect } from "node:net";
import { SystemError } from "../../errors.js";
import type { Binding } from "../../native/binding.js";
import { accessError } from "./directory.js";

/** What a connection attempt shows: nothing there, a socket that nobody listens on, or somebody. */
export type Probe =
  | { readonly state: "free" | "stale" }
  | { readonly state: "live"; readonly pid: number | undefined };

/**
 * Looks whether anybody listens on the socket, by connecting. Throws a SystemError (ENOTSOCK) if a file that is no
 * socket is in the way: it is not ours to remove.
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

/** The same over node:net. */
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

/** The socket at `path` itself (not what a link points to), or undefined. Throws as `probeNative` does. */
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
    case "EAGAIN": // Its backlog is full: somebody is there, and busy.
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

import { lstatSync } from "node:fs";
import { NotFoundError, SystemError } from "../../errors.js";
import type { Binding } from "../../native/binding.js";
import { connectNative } from "../wire/addon-wire.js";
import { connectNet } from "../wire/net-wire.js";
import { HungUpError } from "../wire/protocol.js";
import type { Wire } from "../wire/wire.js";
import { accessError, checkDirectory } from "./directory.js";
import { type Address, DEFAULT_NAME } from "./names.js";
import { checkSocket } from "./probe.js";
import { unseenOwner } from "./unseen.js";

/**
 * Connects to the socket of an endpoint. Rejects with a NotFoundError if no process listens; an AccessError
 * that names the path, its mode and owner, and our uid; or a SystemError.
 */
export async function dial(address: Address, binding: Binding | undefined): Promise<Wire> {
  const { socketPath: path } = address;
  if (!checkDirectory(address)) throw notFound(address, "there is no such directory");
  try {
    return binding === undefined ? await connectNet(path) : connectNative(binding, path);
  } catch (cause) {
    const { code, syscall, message } = cause as NodeJS.ErrnoException;
    switch (code) {
      case "ENOENT":
        throw notFound(address, "there is no such socket", cause);
      case "ECONNREFUSED":
        // The kernel says the same of a file that is no socket. That does not change by waiting.
        checkSocket(path, cause);
        throw notFound(address, "its process has ended", cause);
      case "EACCES":
      case "EPERM":
        throw accessError(path, "connect to", cause);
      default: {
        const text = `can't connect to ${path}: ${message}`;
        throw new SystemError(text, code ?? "UNKNOWN", syscall ?? "connect", path, { cause });
      }
    }
  }
}

/** Returns whether the listener may not have started yet, or may be starting anew. */
export function isTransient(error: unknown): boolean {
  if (error instanceof NotFoundError || error instanceof HungUpError) return true;
  return error instanceof SystemError && (error.systemCode === "EAGAIN" || error.systemCode === "ECONNRESET");
}

/**
 * Returns the error with which the attempts to connect end. It adds to a NotFoundError what the kernel knows
 * of the owner.
 */
export function lastError(error: unknown, address: Address): unknown {
  if (!(error instanceof NotFoundError)) return error;
  const owner = unseenOwner(address, lstatSync(address.socketPath, { throwIfNoEntry: false }) === undefined);
  if (owner === undefined) return error;
  const who = owner.pid === undefined ? "its process" : `process ${owner.pid}`;
  const why = `${who} listens, but the file of its socket was taken away; server.rebind() in that process makes it anew`;
  return new NotFoundError(`nobody can connect to ${address.socketPath}: ${why}`, address.socketPath, {
    cause: error,
  });
}

function notFound(address: Address, why: string, cause?: unknown): NotFoundError {
  const unnamed =
    address.name === DEFAULT_NAME ? " (the name where none is given and RINGBELL_ENDPOINT is not set)" : "";
  return new NotFoundError(
    `nobody listens under ${address.socketPath}${unnamed}: ${why}`,
    address.socketPath,
    cause === undefined ? undefined : { cause },
  );
}

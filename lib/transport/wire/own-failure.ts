import { SystemError } from "../../errors.js";

/** What the system says of a socket whose peer has gone. */
const HANG_UPS = new Set(["EPIPE", "ECONNRESET", "ENOTCONN", "ECONNABORTED", "ETIMEDOUT"]);

/**
 * Returns the error for a system call on a socket that was refused to this side (by a sandbox, or for want of
 * memory or descriptors). Returns undefined if the call failed because the peer has gone.
 */
export function ownFailure(cause: unknown, what: string): SystemError | undefined {
  const { code, syscall, message } = (cause ?? {}) as Partial<NodeJS.ErrnoException>;
  if (code === undefined || syscall === undefined || HANG_UPS.has(code)) return undefined;
  return new SystemError(`${what}: ${message}`, code, syscall, undefined, { cause });
}

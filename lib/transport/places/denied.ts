import { RingbellError, SystemError } from "../../errors.js";

/** What Node's permission model names in an error: the words for it, and the flag of Node that grants it. */
const GRANTS: Readonly<Record<string, readonly [what: string, flag: string]>> = {
  FileSystemRead: ["reading", "--allow-fs-read"],
  FileSystemWrite: ["writing", "--allow-fs-write"],
  // A Unix socket counts as network there.
  Net: ["a socket", "--allow-net"],
};

type Denied = NodeJS.ErrnoException & { readonly permission?: string; readonly resource?: string };

/**
 * Returns the error to throw in place of this one: where Node's permission model has refused something, a SystemError that names the
 * flag which grants it. Every other error is returned as it is.
 */
export function namingFlag(error: unknown): unknown {
  const denied = deniedIn(error);
  if (denied === undefined) return error;
  const [what, flag] = GRANTS[denied.permission ?? ""] ?? ["this", undefined];
  const { message } = error as Error;
  if (error instanceof RingbellError && (flag === undefined || message.includes(flag))) return error;
  const path = denied.resource || denied.path;
  const text =
    error instanceof RingbellError
      ? message
      : `Node's permission model forbids ${what}${path ? ` (${path})` : ""}`;
  const help =
    flag === undefined ? "" : `; start Node with ${flag}${flag === "--allow-net" ? "" : "=<directory>"}`;
  return new SystemError(text + help, "ERR_ACCESS_DENIED", denied.syscall ?? "access", path, {
    cause: error,
  });
}

/** As `namingFlag`, where it is known what was to be done, such as `look at /run/x`. Returns undefined if something else is the reason. */
export function permissionError(purpose: string, cause: unknown, path: string): SystemError | undefined {
  const denied = deniedIn(cause);
  if (denied === undefined) return undefined;
  const text = `can't ${purpose}: ${denied.message}`;
  const error = new SystemError(text, "ERR_ACCESS_DENIED", denied.syscall ?? "access", path, { cause });
  return namingFlag(error) as SystemError;
}

/** Returns the refusal of the permission model: the error itself, or its cause. */
function deniedIn(error: unknown): Denied | undefined {
  const isDenied = (value: unknown) => (value as Partial<Denied> | undefined)?.code === "ERR_ACCESS_DENIED";
  if (!(error instanceof Error)) return undefined;
  if (isDenied(error)) return error as Denied;
  return isDenied(error.cause) ? (error.cause as Denied) : undefined;
}

import { statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, isAbsolute, join, normalize } from "node:path";
import { InvalidArgumentError } from "../../errors.js";
import { isOurUid, ourUid } from "./user.js";

/** The form of names, namespaces and lanes: a letter or digit, then up to 63 letters, digits, `.`, `_`, `-`. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The name for a `connect` without a name, if RINGBELL_ENDPOINT is not set. */
export const DEFAULT_NAME = "default";
export const DEFAULT_NAMESPACE = "default";

/** The longest path of a socket, in bytes: `sun_path` less its terminating zero. */
export const LONGEST_SOCKET_PATH = process.platform === "linux" ? 107 : 103;

/** The place in which names are looked for. */
export interface Place {
  /** The namespace. Default: RINGBELL_NAMESPACE, else `default`. */
  readonly namespace?: string | undefined;
  /** The directory of the namespaces. Default: RINGBELL_DIRECTORY, else a private directory of the user. */
  readonly directory?: string | undefined;
}

/** A place with all defaults filled in. */
export interface ResolvedPlace {
  readonly namespace: string;
  /** The directory that holds the namespaces. */
  readonly base: string;
  /** The directory of the namespace. */
  readonly directory: string;
  /** Whether the base was given by option or environment. Otherwise it is the user's private one. */
  readonly given: boolean;
}

/** An endpoint's name and paths, with all defaults filled in. */
export interface Address {
  /** The name, or the last part of the path if a path was given. */
  readonly name: string;
  /** Undefined if a path was given. */
  readonly place: ResolvedPlace | undefined;
  /** The directory in which the socket lies. */
  readonly directory: string;
  readonly socketPath: string;
  readonly lockPath: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Decides where names are looked for. The options come first, then the environment (RINGBELL_NAMESPACE,
 * RINGBELL_DIRECTORY). The default is `default` in `$XDG_RUNTIME_DIR/ringbell` or `<tmpdir>/ringbell-<uid>`.
 */
export function resolvePlace(place: Place = {}, env: Environment = process.env): ResolvedPlace {
  const [namespace, source] =
    place.namespace !== undefined
      ? [place.namespace, "options.namespace"]
      : env.RINGBELL_NAMESPACE
        ? [env.RINGBELL_NAMESPACE, "RINGBELL_NAMESPACE"]
        : [DEFAULT_NAMESPACE, ""];
  checkName(namespace, source);
  const asked = place.directory ?? (env.RINGBELL_DIRECTORY || undefined);
  if (asked !== undefined) {
    if (typeof asked !== "string" || !isAbsolute(asked) || asked.includes("\0")) {
      const argument = place.directory !== undefined ? "options.directory" : "RINGBELL_DIRECTORY";
      throw new InvalidArgumentError(argument, "an absolute path", asked);
    }
    const base = normalize(asked);
    return { namespace, base, directory: join(base, namespace), given: true };
  }
  const base = privateBase(env);
  return { namespace, base, directory: join(base, namespace), given: false };
}

/**
 * Decides which endpoint is meant. `name` is a name, or the absolute path of a socket. If it is undefined,
 * for `connect`, RINGBELL_ENDPOINT gives it, else it is `default`.
 */
export function resolveAddress(
  name: string | undefined,
  place: Place = {},
  env: Environment = process.env,
): Address {
  const [target, source] =
    name !== undefined
      ? [name, "name"]
      : env.RINGBELL_ENDPOINT
        ? [env.RINGBELL_ENDPOINT, "RINGBELL_ENDPOINT"]
        : [DEFAULT_NAME, "name"];
  if (typeof target === "string" && isAbsolute(target)) {
    if (target.includes("\0") || target.endsWith("/")) {
      throw new InvalidArgumentError(source, "the path of a socket, without a slash at its end", target);
    }
    const socketPath = normalize(target);
    checkPathLength(socketPath, source);
    // The lock of a user's own path is `<path>.lock`, the name that is least likely to be another file of the
    // user.
    return {
      name: basename(socketPath),
      place: undefined,
      directory: dirname(socketPath),
      socketPath,
      lockPath: `${socketPath}.lock`,
    };
  }
  checkName(target, source);
  return addressIn(resolvePlace(place, env), target);
}

/** Returns the address of a name in a place. Throws an InvalidArgumentError if the path would be too long for a socket. */
export function addressIn(place: ResolvedPlace, name: string): Address {
  const socketPath = join(place.directory, `${name}.sock`);
  checkPathLength(socketPath, "name");
  return {
    name,
    place,
    directory: place.directory,
    socketPath,
    lockPath: join(place.directory, `${name}.lock`),
  };
}

/** Throws an InvalidArgumentError, with the path, if the path is too long for a socket. */
export function checkPathLength(path: string, argument: string): void {
  if (Buffer.byteLength(path) > LONGEST_SOCKET_PATH) {
    throw new InvalidArgumentError(
      argument,
      `such that the path of the socket has at most ${LONGEST_SOCKET_PATH} bytes ` +
        "(use a shorter name or namespace, or a shorter options.directory)",
      path,
    );
  }
}

function checkName(name: string, argument: string): void {
  if (typeof name !== "string" || !NAME_PATTERN.test(name)) {
    const expected = "a letter or digit followed by up to 63 letters, digits, dots, underscores or hyphens";
    throw new InvalidArgumentError(
      argument,
      argument === "name" || argument === "RINGBELL_ENDPOINT" ? `${expected}, or an absolute path` : expected,
      name,
    );
  }
}

function privateBase(env: Environment): string {
  const runtime = env.XDG_RUNTIME_DIR;
  // XDG_RUNTIME_DIR is inherited by programs of another user (su, sudo), and by containers that lack the
  // directory. It is then not ours to use.
  if (runtime !== undefined && isAbsolute(runtime)) {
    const stat = statSync(runtime, { throwIfNoEntry: false });
    if (stat?.isDirectory() && isOurUid(stat.uid)) return join(runtime, "ringbell");
  }
  return join(tmpdir(), `ringbell-${ourUid()}`);
}

import { statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, isAbsolute, join, normalize } from "node:path";
import { InvalidArgumentError } from "../../errors.js";
import { ourUid } from "./identity.js";

/** What names, namespaces and lanes are made of: a letter or digit, then up to 63 letters, digits, `.`, `_`, `-`. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Where a connect goes that names nothing, with nothing named by the environment. */
export const DEFAULT_NAME = "default";
export const DEFAULT_NAMESPACE = "default";

/** The longest path of a socket, in bytes: what `sun_path` holds less its terminating zero. */
export const LONGEST_SOCKET_PATH = process.platform === "linux" ? 107 : 103;

/** Where to look for names. */
export interface Place {
  /** Default: RINGBELL_NAMESPACE, else `default`. */
  readonly namespace?: string | undefined;
  /** Default: RINGBELL_DIRECTORY, else a private directory of the user's. */
  readonly directory?: string | undefined;
}

/** A place, with nothing left to be decided. */
export interface ResolvedPlace {
  readonly namespace: string;
  /** The directory that holds the namespaces. */
  readonly base: string;
  /** The directory of the namespace. */
  readonly directory: string;
  /** Whether the base is the user's private one, or was given by option or environment. */
  readonly given: boolean;
}

/** An endpoint's name, with nothing left to be decided. */
export interface Address {
  /** The name, or for a path its last part. */
  readonly name: string;
  /** Undefined where a path was given. */
  readonly place: ResolvedPlace | undefined;
  /** The directory in which the socket lies. */
  readonly directory: string;
  readonly socketPath: string;
  readonly lockPath: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Decides where names are looked for: what the options say, then the environment (RINGBELL_NAMESPACE,
 * RINGBELL_DIRECTORY), then `default` in `$XDG_RUNTIME_DIR/ringbell` or `<tmpdir>/ringbell-<uid>`.
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
 * Decides which endpoint is meant: `name` (a name, or the absolute path of a socket). For `connect`, where it is
 * undefined: RINGBELL_ENDPOINT, then `default`.
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
    // Beside a path of the user's own, `<path>.lock` is the one least likely to be somebody's file already.
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

/** The address of a name in a place. Throws an InvalidArgumentError where the path would be too long for a socket. */
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

/** Throws an InvalidArgumentError that names the path. */
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
  // It is inherited by programs of another user (su, sudo) and by containers that don't have it: then it is not ours to use.
  if (runtime !== undefined && isAbsolute(runtime)) {
    const stat = statSync(runtime, { throwIfNoEntry: false });
    if (stat?.isDirectory() && stat.uid === ourUid()) return join(runtime, "ringbell");
  }
  return join(tmpdir(), `ringbell-${ourUid()}`);
}

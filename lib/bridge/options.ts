import type { Server as HttpServer } from "node:http";
import type { Server as HttpsServer, ServerOptions as TlsOptions } from "node:https";
import { checkInteger, checkNumber, checkOptions } from "../check.js";
import { InvalidArgumentError } from "../errors.js";
import type { Session } from "../session/session.js";
import type { BreakerLimits } from "./breaker.js";
import { type Authenticate, fromTable, type Identity } from "./identity.js";

export interface BridgeLimits {
  /** The longest message of a client, in bytes, fragments joined. Default 65 536. */
  readonly maxMessageBytes: number;
  /** How deeply a message of a client may be nested. Default 32. */
  readonly maxDepth: number;
  /** The bytes that may be sent to a client before it says that it has taken some. One message may be longer. Default 65 536. */
  readonly windowBytes: number;
  /** The bytes that may wait in this process for a client, answers included. Default 1 048 576. */
  readonly maxBufferedBytes: number;
  /** Default 256. */
  readonly maxClients: number;
  /** The most clients that have not said who they are. One more pushes out the oldest. Default 64. */
  readonly maxStrangers: number;
  /** Messages a second that are read of a client; twice as many at once. Default 200. */
  readonly maxRate: number;
  /** Inputs of one client that are not answered. Default 64. */
  readonly maxInputs: number;
}

export interface HeartbeatOptions {
  /** How often a client is asked, in ms. Default 10 000. */
  readonly interval: number;
  /** After so long without any sign a client is cut off, in ms. It must outlast the longest task of a page. Default 30 000. */
  readonly timeout: number;
  /** How long a client may take to say who it is, in ms. Default 5000. */
  readonly hello: number;
}

export interface BridgeOptions {
  /** The session, as clients see it. */
  readonly session: Session;
  /**
   * The origins whose pages may connect, such as `"http://localhost:5173"`. `"null"`, which files and sandboxed frames send, is refused.
   * A program that is no browser sends none, and needs a token alone.
   */
  readonly origins: readonly string[];
  /** Tokens, each with a name and a role. Each has at least 16 characters; `newToken()` makes one. */
  readonly tokens?: Readonly<Record<string, Identity>> | undefined;
  /** In place of `tokens`: returns who has the token. Called after the handshake, so that it holds up no other tab. */
  readonly authenticate?: Authenticate | undefined;
  /** The inputs that each role may make. Default: `{ operator: ["approve", "reject", "abort"], viewer: [] }`. */
  readonly roles?: Readonly<Record<string, readonly string[]>> | undefined;
  /** A server of the program's, which the bridge adds its paths to. Without one the bridge listens itself. */
  readonly server?: HttpServer | HttpsServer | undefined;
  /** The path below which the bridge answers. Default `/ringbell`. */
  readonly path?: string | undefined;
  /** Default 0: any that is free. */
  readonly port?: number | undefined;
  /** Default `127.0.0.1`. Another than this machine's loopback needs `tls`. */
  readonly host?: string | undefined;
  /** Key and certificate, as `https.createServer` takes them. */
  readonly tls?: TlsOptions | undefined;
  readonly limits?: Partial<BridgeLimits> | undefined;
  readonly heartbeat?: Partial<HeartbeatOptions> | undefined;
  readonly breaker?: Partial<BreakerLimits> | undefined;
}

const LIMITS: BridgeLimits = {
  maxMessageBytes: 65_536,
  maxDepth: 32,
  windowBytes: 65_536,
  maxBufferedBytes: 1_048_576,
  maxClients: 256,
  maxStrangers: 64,
  maxRate: 200,
  maxInputs: 64,
};
const HEARTBEAT: HeartbeatOptions = { interval: 10_000, timeout: 30_000, hello: 5000 };
const BREAKER: BreakerLimits = {
  stallAfter: 5000,
  maxLag: 5000,
  maxErrors: 20,
  snapshotEvery: 1000,
  recoverAfter: 2,
};
const ROLES: Readonly<Record<string, readonly string[]>> = {
  operator: ["approve", "reject", "abort"],
  viewer: [],
};

const NAMES = [
  ...["session", "origins", "tokens", "authenticate", "roles", "server", "path", "port", "host", "tls"],
  ...["limits", "heartbeat", "breaker"],
];

/** The options, checked and complete. */
export interface BridgeSettings {
  readonly session: Session;
  readonly origins: ReadonlySet<string>;
  readonly authenticate: Authenticate;
  readonly roles: ReadonlyMap<string, readonly string[]>;
  readonly path: string;
  readonly limits: BridgeLimits;
  readonly heartbeat: HeartbeatOptions;
  readonly breaker: BreakerLimits;
}

export function settingsOf(options: BridgeOptions): BridgeSettings {
  checkOptions(options, NAMES, "options");
  const { session, origins, tokens, authenticate, roles = ROLES, path = "/ringbell" } = options;
  if (typeof (session as Partial<Session> | undefined)?.attach !== "function") {
    throw new InvalidArgumentError("options.session", "a session of serveSession", session);
  }
  if ((tokens === undefined) === (authenticate === undefined)) {
    throw new InvalidArgumentError("options.tokens", "given, or else authenticate", tokens);
  }
  if (!/^(\/[\w.-]+)+$/.test(path))
    throw new InvalidArgumentError("options.path", "a path such as /ringbell", path);
  const { server, port, host, tls } = options;
  if (server !== undefined && (port !== undefined || host !== undefined || tls !== undefined)) {
    throw new InvalidArgumentError("options", "without port, host and tls where a server is given", options);
  }
  for (const [role, inputs] of Object.entries(roles)) {
    if (!Array.isArray(inputs))
      throw new InvalidArgumentError(`options.roles.${role}`, "an array of names", inputs);
  }
  return {
    session: session as Session,
    origins: new Set(checkOrigins(origins)),
    authenticate: authenticate ?? fromTable(tokens!),
    roles: new Map(Object.entries(roles)),
    path,
    limits: numbersOf(options.limits, LIMITS, "options.limits", 1),
    heartbeat: numbersOf(options.heartbeat, HEARTBEAT, "options.heartbeat", 1),
    breaker: numbersOf(options.breaker, BREAKER, "options.breaker", 0),
  };
}

function checkOrigins(origins: readonly string[]): readonly string[] {
  if (!Array.isArray(origins))
    throw new InvalidArgumentError("options.origins", "an array of origins", origins);
  for (const origin of origins) {
    // "null" is the origin of every file, data: URL and sandboxed frame: of anybody.
    const isWell =
      typeof origin === "string" &&
      URL.canParse(origin) &&
      new URL(origin).origin === origin &&
      origin !== "null";
    if (!isWell) {
      throw new InvalidArgumentError(
        "options.origins",
        'origins such as "http://localhost:5173", without a path',
        origin,
      );
    }
  }
  return origins;
}

function numbersOf<T extends { readonly [Name in keyof T]: number }>(
  given: Partial<T> | undefined,
  defaults: T,
  argument: string,
  least: number,
): T {
  if (given === undefined) return defaults;
  checkOptions(given, Object.keys(defaults), argument);
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) checkNumber(value, `${argument}.${name}`, least, 2 ** 31);
  }
  return { ...defaults, ...given };
}

export const checkPort = (port: number): number => checkInteger(port, "options.port", 0, 65_535);

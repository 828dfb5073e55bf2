import type { Server as HttpServer } from "node:http";
import type { Server as HttpsServer, ServerOptions as TlsOptions } from "node:https";
import { checkFunction, checkInteger, checkNumber, checkOptions } from "../check.js";
import { InvalidArgumentError } from "../errors.js";
import type { Port } from "../port.js";
import type { Service } from "../rpc/service.js";
import { AuditChain } from "../session/audit.js";
import type { Session } from "../session/session.js";
import type { BreakerLimits } from "./breaker.js";
import { type Authenticate, fromTable, type Identity } from "./identity.js";

/** A channel of JSON as text, which nobody parses twice: of `connect(name, { codec: text() })`. */
export type TextPort = Port<string, string>;

/** Makes the channel of a client. */
export type OpenChannel = (client: {
  readonly name: string;
  readonly role: string;
  readonly address: string;
}) => TextPort | Promise<TextPort>;

/** The right to send. Every role may read. */
export const SEND = "send";

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
  /** The side that clients talk to: one of these three. A session of `serveSession`, or a `new Session(…)`. */
  readonly session?: Session | undefined;
  /** A service of `serve` of `ringbell/rpc`, whose methods clients call, as far as `roles` names them. */
  readonly service?: Service | undefined;
  /** Makes a channel for each client: `() => connect("files", { codec: text() })`. Its messages pass as they are. */
  readonly channel?: OpenChannel | undefined;
  /**
   * The origins whose pages may connect, such as `"http://localhost:5173"`. `"null"`, which files and sandboxed frames send, is refused.
   * A program that is no browser sends none, and needs a token alone.
   */
  readonly origins: readonly string[];
  /** Tokens, each with a name and a role. Each has at least 16 characters; `newToken()` makes one. */
  readonly tokens?: Readonly<Record<string, Identity>> | undefined;
  /** In place of `tokens`: returns who has the token. Called after the handshake, so that it holds up no other tab. */
  readonly authenticate?: Authenticate | undefined;
  /**
   * The rights of each role. For a session, these are the inputs that it may make, by default `{ operator: ["approve", "reject", "abort"], viewer: [] }`.
   * Of a service: the methods that it may call; there is no default. Of a channel: `["send"]`, or nothing, by default
   * `{ operator: ["send"], viewer: [] }`.
   */
  readonly roles?: Readonly<Record<string, readonly string[]>> | undefined;
  /** The file of the audit chain of a service or a channel, or a chain. A session has its own. */
  readonly audit?: string | URL | AuditChain | undefined;
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
type Roles = Readonly<Record<string, readonly string[]>>;
const SESSION_ROLES: Roles = { operator: ["approve", "reject", "abort"], viewer: [] };
const CHANNEL_ROLES: Roles = { operator: [SEND], viewer: [] };

/** The side that clients talk to. */
export type Target =
  | { readonly kind: "session"; readonly session: Session }
  | { readonly kind: "service"; readonly service: Service }
  | { readonly kind: "channel"; readonly open: OpenChannel };

const NAMES = [
  ...["session", "service", "channel", "origins", "tokens", "authenticate", "roles", "audit"],
  ...["server", "path", "port", "host", "tls", "limits", "heartbeat", "breaker"],
];

/** The options, checked and complete. */
export interface BridgeSettings {
  readonly target: Target;
  readonly audit: AuditChain | undefined;
  /** Whether the chain was opened for this bridge, and is closed with it. */
  readonly ownsAudit: boolean;
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
  const { origins, tokens, authenticate, audit, path = "/ringbell" } = options;
  const target = targetOf(options);
  const roles = rolesOf(options, target);
  if ((tokens === undefined) === (authenticate === undefined)) {
    throw new InvalidArgumentError("options.tokens", "given, or else authenticate", tokens);
  }
  if (!/^(\/[\w.-]+)+$/.test(path))
    throw new InvalidArgumentError("options.path", "a path such as /ringbell", path);
  const { server, port, host, tls } = options;
  if (server !== undefined && (port !== undefined || host !== undefined || tls !== undefined)) {
    throw new InvalidArgumentError("options", "without port, host and tls where a server is given", options);
  }
  if (audit !== undefined && target.kind === "session")
    throw new InvalidArgumentError(
      "options.audit",
      "left to the session, which has a chain of its own",
      audit,
    );
  const ownsAudit = audit !== undefined && !(audit instanceof AuditChain);
  return {
    target,
    origins: new Set(checkOrigins(origins)),
    authenticate: authenticate ?? fromTable(tokens!),
    roles: new Map(Object.entries(roles)),
    path,
    limits: numbersOf(options.limits, LIMITS, "options.limits", 1),
    heartbeat: numbersOf(options.heartbeat, HEARTBEAT, "options.heartbeat", 1),
    breaker: numbersOf(options.breaker, BREAKER, "options.breaker", 0),
    // The last one, so that no file is left open by an option that is wrong.
    audit: target.kind === "session" ? target.session.audit : ownsAudit ? new AuditChain(audit) : audit,
    ownsAudit,
  };
}

function targetOf({ session, service, channel }: BridgeOptions): Target {
  const given = [session, service, channel].filter((one) => one !== undefined);
  if (given.length > 1)
    throw new InvalidArgumentError("options", "with one of session, service and channel", given);
  if (service !== undefined) {
    if (typeof (service as Partial<Service>).add !== "function")
      throw new InvalidArgumentError("options.service", "a service of serve", service);
    return { kind: "service", service };
  }
  if (channel !== undefined)
    return { kind: "channel", open: checkFunction(channel, "options.channel") as OpenChannel };
  if (typeof (session as Partial<Session> | undefined)?.attach !== "function")
    throw new InvalidArgumentError("options.session", "a session of serveSession", session);
  return { kind: "session", session: session as Session };
}

function rolesOf({ roles }: BridgeOptions, { kind }: Target): Roles {
  // A service was not written for pages. So a page may call only the methods that are named here.
  if (roles === undefined && kind === "service")
    throw new InvalidArgumentError("options.roles", "the methods that each role may call", roles);
  const checked = roles ?? (kind === "channel" ? CHANNEL_ROLES : SESSION_ROLES);
  for (const [role, rights] of Object.entries(checked)) {
    if (!Array.isArray(rights))
      throw new InvalidArgumentError(`options.roles.${role}`, "an array of names", rights);
    const wrong = kind === "service" ? rights.find((name) => String(name).startsWith("rpc.")) : undefined;
    if (wrong !== undefined)
      throw new InvalidArgumentError(`options.roles.${role}`, "methods that do not begin with rpc.", wrong);
  }
  return checked;
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

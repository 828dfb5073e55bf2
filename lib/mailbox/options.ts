import { isAbsolute, resolve } from "node:path";
import { checkFunction, checkInteger, checkNumber, checkOneOf, checkOptions } from "../check.js";
import { InvalidArgumentError } from "../errors.js";
import { defaultNamespace, type Place, storePath } from "./client/place.js";
import { MESSAGE_BYTES, MOST_MESSAGE_BYTES, MOST_WAIT, STALL } from "./limits.js";
import type { BoxSettings } from "./message.js";
import { checkName, checkSettings } from "./settings.js";
import type { Time } from "./steady.js";

/** Where the mailboxes are, and how this process takes part. */
export interface MailboxesOptions {
  /** The name of the broker, as `listen` takes it. Mailboxes of one name are one set. Default `mailbox`. */
  readonly name?: string | undefined;
  /** As for `listen` and `connect`. */
  readonly namespace?: string | undefined;
  readonly directory?: string | undefined;
  readonly transport?: "auto" | "shm" | "stream" | undefined;
  readonly addon?: string | URL | undefined;
  /** `sqlite`: a file. `memory`: as long as the broker lives, for tests. Default `sqlite`. */
  readonly store?: "sqlite" | "memory" | undefined;
  /** The file of the store. Default: see docs/mailbox.md. All processes of one name must mean the same file. */
  readonly path?: string | undefined;
  /**
   * What a stored message survives. `process`: the death of every process. `disk`: a loss of power, too; each commit waits for the disk.
   * Default `process`.
   */
  readonly durability?: "process" | "disk" | undefined;
  /** The name under which this process posts, unless a post says another. */
  readonly from?: string | undefined;
  /** The longest text of a message in bytes, 1 to 67 108 864. The broker's value counts. Default 1 000 000. */
  readonly maxMessageBytes?: number | undefined;
  /** Settings of boxes that have none of their own. The broker's count. */
  readonly boxes?: Partial<BoxSettings> | undefined;
  /**
   * What to do with a broker that lives and does not answer, since it is stopped or computes. `refuse`: a BrokerStalledError. `kill`: end it
   * by SIGKILL, and take over. It lives in somebody's program. Default `refuse`.
   */
  readonly takeover?: "refuse" | "kill" | undefined;
  /** How long the broker may leave a request unanswered, in ms, 10 to 300 000. Default 5000. */
  readonly stall?: number | undefined;
  /** The broker's source of time, in ms since the epoch: for tests. It must not go back. */
  readonly time?: Time | undefined;
  /**
   * `local`: a broker on this machine. `nats`: servers of NATS with JetStream, 2.9 or later, for several machines; see
   * docs/mailbox.md#past-one-machine. Default `local`.
   */
  readonly engine?: "local" | "nats" | undefined;
  /** With `nats`: where the servers are, as HOST:PORT. Default 127.0.0.1:4222. */
  readonly servers?: string | readonly string[] | undefined;
  /** With `nats`: further options for `connect` of @nats-io/transport-node, such as `token`, `user` and `pass`, `tls`. */
  readonly connection?: Readonly<Record<string, unknown>> | undefined;
  /** With `nats`: on how many servers of a cluster each message lies, 1 to 5. Default 1. */
  readonly replicas?: number | undefined;
  /** With `nats`: how long a process may be silent, in ms, 1000 to 300 000, until its claims come back. The first reader of a box sets it. Default 10 000. */
  readonly silence?: number | undefined;
}

const KNOWN = [
  ...["name", "namespace", "directory", "transport", "addon", "store", "path", "durability", "from"],
  ...["maxMessageBytes", "boxes", "takeover", "stall", "time", "engine"],
];
const KNOWN_NATS = [
  ...["name", "namespace", "from", "maxMessageBytes", "boxes", "stall", "engine"],
  ...["servers", "connection", "replicas", "silence"],
];
const SERVER = "127.0.0.1:4222";
const SILENCE = 10_000;

/** What holds whichever engine there is. */
interface CommonSettings {
  readonly from: string;
  readonly maxMessageBytes: number;
  readonly defaults: Partial<BoxSettings>;
  readonly stall: number;
}

export interface NatsSettings extends CommonSettings {
  readonly nats: true;
  readonly name: string;
  readonly namespace: string;
  readonly servers: readonly string[];
  readonly connection: Readonly<Record<string, unknown>>;
  readonly replicas: number;
  readonly silence: number;
}

export interface LocalSettings extends CommonSettings {
  readonly place: Place;
  /** The file that the program chose; undefined if it left that open. */
  readonly path: string | undefined;
  readonly durability: "process" | "disk";
  readonly kill: boolean;
  readonly time: Time | undefined;
}

export function checkMailboxes(options: MailboxesOptions): LocalSettings | NatsSettings {
  const engine = checkOneOf(options?.engine ?? "local", "options.engine", ["local", "nats"]);
  return engine === "nats" ? checkNats(options) : checkLocal(options);
}

function checkCommon(options: MailboxesOptions): CommonSettings {
  const { from, maxMessageBytes = MESSAGE_BYTES, boxes = {}, stall = STALL } = options;
  return {
    from: from === undefined ? "" : checkName(from, "options.from"),
    maxMessageBytes: checkInteger(maxMessageBytes, "options.maxMessageBytes", 1, MOST_MESSAGE_BYTES),
    defaults: checkSettings(boxes, "options.boxes"),
    stall: checkInteger(stall, "options.stall", 10, 300_000),
  };
}

function checkNats(options: MailboxesOptions): NatsSettings {
  checkOptions(options, KNOWN_NATS, "options");
  const { servers = SERVER, connection = {}, name = "mailbox", namespace = defaultNamespace() } = options;
  const list = typeof servers === "string" ? [servers] : servers;
  if (!Array.isArray(list) || list.length === 0 || !list.every(isServer)) {
    throw new InvalidArgumentError("options.servers", "HOST:PORT, or an array of these", servers);
  }
  if (typeof connection !== "object" || connection === null) {
    throw new InvalidArgumentError("options.connection", "an object", connection);
  }
  return {
    ...checkCommon(options),
    nats: true,
    name: checkName(name, "options.name"),
    namespace: checkName(namespace, "options.namespace"),
    servers: list,
    connection,
    replicas: checkInteger(options.replicas ?? 1, "options.replicas", 1, 5),
    silence: checkInteger(options.silence ?? SILENCE, "options.silence", 1000, 300_000),
  };
}

/** Whether a text names a server of NATS: HOST:PORT, perhaps behind `nats://`. */
function isServer(value: unknown): boolean {
  return typeof value === "string" && URL.canParse(`http://${value.replace(/^[a-z]+:\/\//, "")}`);
}

function checkLocal(options: MailboxesOptions): LocalSettings {
  checkOptions(options, KNOWN, "options");
  const { name = "mailbox", namespace, directory, transport, addon, store = "sqlite", path } = options;
  checkOneOf(store, "options.store", ["sqlite", "memory"]);
  if (path !== undefined && (typeof path !== "string" || path === "" || path.includes("\0"))) {
    throw new InvalidArgumentError("options.path", "the path of a file", path);
  }
  if (store === "memory" && path !== undefined) {
    throw new InvalidArgumentError("options.path", 'left out where store is "memory"', path);
  }
  if (typeof name !== "string") throw new InvalidArgumentError("options.name", "a text", name);
  const file = path === undefined ? storePath(name, namespace, directory) : resolve(path);
  if (!isAbsolute(file)) throw new InvalidArgumentError("options.path", "a path", path);
  return {
    ...checkCommon(options),
    place: {
      name,
      options: { namespace, directory, transport, addon },
      path: store === "memory" ? undefined : file,
    },
    path: path === undefined ? undefined : file,
    durability: checkOneOf(options.durability ?? "process", "options.durability", ["process", "disk"]),
    kill: checkOneOf(options.takeover ?? "refuse", "options.takeover", ["refuse", "kill"]) === "kill",
    time: checkFunction(options.time, "options.time"),
  };
}

/** Checks a time that a wait may take, in ms. Longer ones are refused. */
export function checkWait(value: unknown, standard: number): number {
  return checkNumber(value ?? standard, "options.timeout", 0, MOST_WAIT);
}

import { isAbsolute, resolve } from "node:path";
import { checkFunction, checkInteger, checkNumber, checkOneOf, checkOptions } from "../check.js";
import { InvalidArgumentError } from "../errors.js";
import { type Place, storePath } from "./client/place.js";
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
}

const KNOWN = [
  ...["name", "namespace", "directory", "transport", "addon", "store", "path", "durability", "from"],
  ...["maxMessageBytes", "boxes", "takeover", "stall", "time"],
];

export interface MailboxesSettings {
  readonly place: Place;
  /** The file that the program chose; undefined if it left that open. */
  readonly path: string | undefined;
  readonly durability: "process" | "disk";
  readonly from: string;
  readonly maxMessageBytes: number;
  readonly defaults: Partial<BoxSettings>;
  readonly kill: boolean;
  readonly stall: number;
  readonly time: Time | undefined;
}

export function checkMailboxes(options: MailboxesOptions): MailboxesSettings {
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
    place: {
      name,
      options: { namespace, directory, transport, addon },
      path: store === "memory" ? undefined : file,
    },
    path: path === undefined ? undefined : file,
    durability: checkOneOf(options.durability ?? "process", "options.durability", ["process", "disk"]),
    from: options.from === undefined ? "" : checkName(options.from, "options.from"),
    maxMessageBytes: checkInteger(
      options.maxMessageBytes ?? MESSAGE_BYTES,
      "options.maxMessageBytes",
      1,
      MOST_MESSAGE_BYTES,
    ),
    defaults: checkSettings(options.boxes ?? {}, "options.boxes"),
    kill: checkOneOf(options.takeover ?? "refuse", "options.takeover", ["refuse", "kill"]) === "kill",
    stall: checkInteger(options.stall ?? STALL, "options.stall", 10, 300_000),
    time: checkFunction(options.time, "options.time"),
  };
}

/** Checks a time that a wait may take, in ms. Longer ones are refused. */
export function checkWait(value: unknown, standard: number): number {
  return checkNumber(value ?? standard, "options.timeout", 0, MOST_WAIT);
}

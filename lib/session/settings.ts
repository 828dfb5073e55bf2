import { checkFile, checkFunction, checkInteger, checkNumber, checkOneOf, checkOptions } from "../check.js";
import { InvalidArgumentError } from "../errors.js";
import type { Contract } from "../rpc/contract.js";
import type { AuditChain } from "./audit.js";
import type { LogLimits } from "./event-log.js";
import type { ClassPolicy } from "./feed.js";
import type { InputHandlers, RoleRights } from "./inputs.js";

/** What the log keeps, and where. */
export interface LogOptions extends Partial<LogLimits> {
  /**
   * The file of SQLite in which events, state, retained values and inputs are stored. The next process that has it goes on with them, and
   * interfaces go on by their cursors. Default: none; the log ends with the process.
   */
  readonly store?: string | URL | undefined;
  /**
   * What stored events survive: the end of the `"process"`, however it ends, or a loss of power as well (`"disk"`), which costs a write
   * to the disk in each turn with events. Default `"process"`.
   */
  readonly durability?: "process" | "disk" | undefined;
  /**
   * What becomes of an event while the file can't be written, as on a full disk. `"refuse"`: `append` throws. `"hold"`: it waits in memory, up
   * to the limits of the log, and so do interfaces. Default `"refuse"`.
   */
  readonly whenFull?: "refuse" | "hold" | undefined;
}

export interface SessionOptions<Event = unknown, Snapshot = unknown, Inputs extends Contract = Contract> {
  /** The id that inputs must carry. Default: the one in the store, or a random one. */
  readonly id?: string | undefined;
  /**
   * Returns what an interface needs to go on with the next event: the sum of all events so far. Called at once, whenever an interface
   * needs one. Without it, interfaces get the events that the log has.
   */
  readonly snapshot?: (() => Snapshot) | undefined;
  /** The state at first, such as `"running"`. Default `"running"`. With a store that has a state, it is that. */
  readonly state?: string | undefined;
  /** What the log keeps. Default 10 000 events, 16 777 216 (16 MiB) characters of JSON, of any age, in memory. */
  readonly log?: LogOptions | undefined;
  /**
   * Values that stand beside the events, by name: the latest of each is there when an interface attaches. A value in the store goes before
   * the one here.
   */
  readonly retained?: Readonly<Record<string, unknown>> | undefined;
  /** What becomes of the events of a class for an interface that is slow. A class that is not here has `keep`. */
  readonly classes?: Readonly<Record<string, ClassPolicy>> | undefined;
  /** How long an interface may take nothing before it is slow, and events of some classes are left out, in ms. Default 250. */
  readonly slowAfter?: number | undefined;
  /** The most characters of JSON of one event. Default 1 048 576 (1 MiB). */
  readonly maxEventBytes?: number | undefined;
  /** How long `ready()` waits for one interface that takes nothing, in ms. Default 5000. */
  readonly blockTimeout?: number | undefined;
  /** The methods of inputs: a contract of requests. Without one, each function of `handlers` is an input that is not checked. */
  readonly inputs?: Inputs | undefined;
  /** What inputs do. */
  readonly handlers?: InputHandlers<Inputs> | undefined;
  /** What interfaces of each role may do. Without it, every role may do all; with it, a role that is not here is not let in. */
  readonly roles?: Readonly<Record<string, RoleRights>> | undefined;
  /** The file of the audit chain, to which all inputs and refusals are written; or a chain. */
  readonly audit?: string | URL | AuditChain | undefined;
  /** For the compiler only; never there. */
  readonly types?: { readonly event: Event } | undefined;
}

export const SESSION_OPTIONS = [
  ...["id", "snapshot", "state", "log", "retained", "classes", "slowAfter", "maxEventBytes", "blockTimeout"],
  ...["inputs", "handlers", "roles", "audit", "types"],
];

/** Options that were checked, with the defaults. */
export interface SessionSettings {
  readonly id: string | undefined;
  readonly snapshot: (() => unknown) | undefined;
  readonly state: string;
  readonly limits: LogLimits;
  readonly store: string | undefined;
  readonly durability: "process" | "disk";
  readonly whenFull: "refuse" | "hold";
  readonly retained: Readonly<Record<string, unknown>>;
  readonly classes: Readonly<Record<string, ClassPolicy>>;
  readonly slowAfter: number;
  readonly maxEvent: number;
  readonly blockTimeout: number;
  readonly inputs: Contract | undefined;
  readonly handlers: Readonly<Record<string, unknown>>;
  readonly roles: Readonly<Record<string, RoleRights>> | undefined;
  readonly audit: string | URL | AuditChain | undefined;
}

const DEFAULT_LOG: LogLimits = {
  maxEvents: 10_000,
  maxBytes: 16 * 1024 * 1024,
  maxAge: Number.POSITIVE_INFINITY,
};
const MIB = 1024 * 1024;
const LONGEST_NAME = 64;

/** Checks the options. Throws an InvalidArgumentError, or an UnknownOptionError. */
export function sessionSettings(options: SessionOptions<never, unknown, never>): SessionSettings {
  const { id, snapshot, state = "running", log = {}, retained = {}, classes = {}, roles, audit } = options;
  if (id !== undefined && (typeof id !== "string" || !/^[\w.-]{1,64}$/.test(id))) {
    throw new InvalidArgumentError("options.id", "1 to 64 of A-Za-z0-9._-", id);
  }
  for (const [kind, policy] of Object.entries(classes)) {
    checkOneOf(policy, `options.classes.${kind}`, ["keep", "drop", "latest", "block"]);
  }
  for (const [role, { inputs }] of Object.entries(roles ?? {})) {
    if (inputs !== "all" && !Array.isArray(inputs)) {
      throw new InvalidArgumentError(`options.roles.${role}.inputs`, '"all" or an array of names', inputs);
    }
  }
  return {
    id,
    snapshot: checkFunction(snapshot, "options.snapshot"),
    state: checkName(state, "options.state"),
    ...logSettings(log),
    retained,
    classes,
    maxEvent: checkInteger(options.maxEventBytes ?? MIB, "options.maxEventBytes", 1, 64 * MIB),
    slowAfter: checkNumber(options.slowAfter ?? 250, "options.slowAfter", 0, 3_600_000),
    blockTimeout: checkNumber(options.blockTimeout ?? 5000, "options.blockTimeout", 0, 3_600_000),
    inputs: options.inputs,
    handlers: handlersOf(options.inputs, options.handlers),
    roles,
    audit,
  };
}

function logSettings(log: LogOptions) {
  checkOptions(log, ["maxEvents", "maxBytes", "maxAge", "store", "durability", "whenFull"], "options.log");
  const { maxEvents, maxBytes, maxAge } = { ...DEFAULT_LOG, ...log };
  const { durability = "process", whenFull = "refuse" } = log;
  return {
    limits: {
      maxEvents: checkInteger(maxEvents, "options.log.maxEvents", 1, 16_777_216),
      maxBytes: checkInteger(maxBytes, "options.log.maxBytes", 1, Number.MAX_SAFE_INTEGER),
      maxAge: checkNumber(maxAge, "options.log.maxAge", 0, Number.POSITIVE_INFINITY),
    },
    store: checkFile(log.store, "options.log.store"),
    durability: checkOneOf(durability, "options.log.durability", ["process", "disk"]),
    whenFull: checkOneOf(whenFull, "options.log.whenFull", ["refuse", "hold"]),
  };
}

/** The handlers, each checked; all methods of a contract with schemas must have one. */
function handlersOf(
  inputs: Contract | undefined,
  handlers: object | undefined,
): Readonly<Record<string, unknown>> {
  const given: Readonly<Record<string, unknown>> = (handlers ?? {}) as Readonly<Record<string, unknown>>;
  const names = inputs?.checked === true ? Object.keys(inputs.methods) : Object.keys(given);
  for (const name of names) {
    if (typeof given[name] !== "function")
      throw new InvalidArgumentError(`options.handlers.${name}`, "a function", given[name]);
  }
  return given;
}

/** Checks a state, a class, or the name of a value. */
export function checkName(value: unknown, argument: string): string {
  if (typeof value !== "string" || value.length > LONGEST_NAME) {
    throw new InvalidArgumentError(argument, `a string of up to ${LONGEST_NAME} characters`, value);
  }
  return value;
}

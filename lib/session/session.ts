import { EventEmitter } from "node:events";
import { checkFunction, checkInteger, checkNumber, checkOneOf, checkOptions } from "../check.js";
import { clearTimeout, now, setTimeout, wallClock } from "../clock.js";
import { ClosedError, EncodeError, InvalidArgumentError, MessageTooLargeError } from "../errors.js";
import type { Peer } from "../port.js";
import { guarded } from "../raise.js";
import type { Contract } from "../rpc/contract.js";
import { AuditChain } from "./audit.js";
import { EventLog, type LogLimits } from "./event-log.js";
import { type ClassPolicy, Feed, type FeedSource, type Sink, type Start } from "./feed.js";
import { type Cursor, cursorOf, eventText, newId, partsOf } from "./frames.js";
import {
  type ClientRecord,
  type InputHandlers,
  type InputMessage,
  type InputSource,
  Inputs,
  type RoleRights,
} from "./inputs.js";

/*
 * Longer than most files: what a session is told, what it tells, and the class itself stand together, because carriers and interfaces are
 * written against all three.
 */

/** Where an interface begins. */
export type From =
  /** With a snapshot of now, and all events after it. */
  | "snapshot"
  /** With the next event. */
  | "live"
  /** With so many of the latest events, if the log has them. */
  | { readonly last: number }
  /** After the place of a cursor; with a snapshot if the log no longer has what follows it. */
  | { readonly cursor: Cursor };

export interface SessionOptions<Event = unknown, Snapshot = unknown, Inputs extends Contract = Contract> {
  /** The id that inputs must carry. Default: a random one. */
  readonly id?: string | undefined;
  /**
   * Returns what an interface needs to go on with the next event: the sum of all events so far. Called at once, whenever an interface
   * needs one. Without it, interfaces get the events that the log has.
   */
  readonly snapshot?: (() => Snapshot) | undefined;
  /** The state at first, such as `"running"`. Default `"running"`. */
  readonly state?: string | undefined;
  /** What the log keeps. Default 10 000 events, 16 777 216 (16 MiB) characters of JSON, of any age. */
  readonly log?: Partial<LogLimits> | undefined;
  /** Values that stand beside the events, by name: the latest of each is there when an interface attaches. */
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

/** An interface as its session sees it. */
export interface InterfaceInfo {
  readonly client: string;
  readonly role: string;
  readonly peer: Peer | undefined;
  /** How it is connected: `channel`, or what a bridge says. */
  readonly via: string;
  /** How often the client has attached. */
  readonly epoch: number;
  /** When it attached, in ms since the epoch of Unix. */
  readonly since: number;
  /** How many events it has not been sent. */
  readonly lag: number;
  /** Whether it takes nothing at the moment. */
  readonly paused: boolean;
  /** How many events were left out for it, or replaced by a snapshot. */
  readonly missed: number;
}

export interface SessionEvents {
  attach: [info: InterfaceInfo];
  detach: [info: InterfaceInfo];
  /** An interface did something against the rules, or could not attach. */
  peerError: [error: Error];
  /** The function `snapshot` threw, or what it returned has no JSON form. Interfaces get the events that the log has. */
  snapshotError: [error: Error];
  close: [];
}

/** How an interface is told what is no event. A newer state or value takes the place of one that was not told yet. */
export interface Carrier extends Sink {
  readonly client: string;
  /** The run of the client: the same when it comes back, another one when it was started again. */
  readonly instance: string;
  readonly role: string;
  readonly peer: Peer | undefined;
  readonly via: string;
  /** The state, or a retained value, is another one. */
  changed(what: "state" | "retained", name: string): void;
  /** Another attachment of the client takes the place of this one. It must end, and offers nothing more. */
  replaced(): void;
  /** Tells that the session is over. Resolves when that was taken, or after `timeout` ms. */
  over(timeout: number): Promise<void>;
  /** Ends in order, at most within `timeout` ms. */
  close(timeout: number): Promise<void>;
}

/** What an interface is told when it attaches. */
export interface Welcome {
  readonly session: string;
  /** The id of this run of the session, with its log. A session whose process was started again has another one. */
  readonly log: string;
  readonly epoch: number;
  /** The interface's place; absent if only a snapshot will say it. */
  readonly sequence: number | undefined;
  /** Whether the cursor was of no use. */
  readonly tooOld: boolean;
  readonly state: string;
  readonly retained: Readonly<Record<string, unknown>>;
}

const DEFAULT_LOG: LogLimits = {
  maxEvents: 10_000,
  maxBytes: 16 * 1024 * 1024,
  maxAge: Number.POSITIVE_INFINITY,
};
const MIB = 1024 * 1024;
const LONGEST_NAME = 64;

/** One interface of a session: its place in the log, and what it may do. */
export class SessionInterface implements InterfaceInfo {
  readonly since = wallClock();
  readonly epoch: number;
  readonly feed: Feed;
  readonly carrier: Carrier;
  readonly record: ClientRecord;
  /** Since when it holds up `ready()`; undefined if it does not. */
  holdsUpSince: number | undefined;

  constructor(carrier: Carrier, record: ClientRecord, feed: Feed) {
    this.carrier = carrier;
    this.record = record;
    this.epoch = record.epoch;
    this.feed = feed;
  }

  get client(): string {
    return this.carrier.client;
  }
  get role(): string {
    return this.carrier.role;
  }
  get peer(): Peer | undefined {
    return this.carrier.peer;
  }
  get via(): string {
    return this.carrier.via;
  }
  get lag(): number {
    return this.feed.lag;
  }
  get paused(): boolean {
    return this.feed.isPaused;
  }
  get missed(): number {
    return this.feed.missed;
  }
}

/** What a program streams to any number of interfaces, and what these tell it. Made by `serveSession`, or alone for a bridge. */
export class Session<Event = unknown, Snapshot = unknown, Calls extends Contract = Contract>
  extends EventEmitter<SessionEvents>
  implements AsyncDisposable, FeedSource
{
  readonly id: string;
  /** The id of this log, a part of each cursor. */
  readonly logId = newId();
  readonly log: EventLog;
  readonly roles: Readonly<Record<string, RoleRights>> | undefined;
  readonly audit: AuditChain | undefined;
  /** Whether this session opened the chain, and so closes it. */
  readonly #ownsAudit: boolean;
  readonly slowAfter: number;
  readonly #snapshot: (() => unknown) | undefined;
  readonly #policies: Readonly<Record<string, ClassPolicy>>;
  readonly #hasBlocking: boolean;
  readonly #maxEvent: number;
  readonly #blockTimeout: number;
  readonly #inputs: Inputs;
  readonly #retained = new Map<string, { readonly value: unknown }>();
  readonly #interfaces = new Set<SessionInterface>();
  readonly #byClient = new Map<string, SessionInterface>();
  /** The JSON of the names of classes. */
  readonly #classNames = new Map<string, string>();
  #state: string;
  #closing: Promise<void> | undefined;
  /** Called when an interface has taken something, or has gone. */
  #waiting: (() => void)[] = [];
  #source: { close(): Promise<void> } | undefined;

  constructor(options: SessionOptions<Event, Snapshot, Calls> = {}) {
    super();
    const {
      id = newId(),
      snapshot,
      state = "running",
      log = {},
      retained = {},
      classes = {},
      roles,
      audit,
    } = options;
    if (typeof id !== "string" || !/^[\w.-]{1,64}$/.test(id)) {
      throw new InvalidArgumentError("options.id", "1 to 64 of A-Za-z0-9._-", id);
    }
    this.id = id;
    this.#snapshot = checkFunction(snapshot, "options.snapshot");
    this.#state = checkName(state, "options.state");
    this.log = new EventLog(limitsOf(log));
    for (const [kind, policy] of Object.entries(classes)) {
      checkOneOf(policy, `options.classes.${kind}`, ["keep", "drop", "latest", "block"]);
    }
    this.#policies = Object.assign(Object.create(null), classes);
    this.#hasBlocking = Object.values(classes).includes("block");
    this.#maxEvent = checkInteger(options.maxEventBytes ?? MIB, "options.maxEventBytes", 1, 64 * MIB);
    this.slowAfter = checkNumber(options.slowAfter ?? 250, "options.slowAfter", 0, 3_600_000);
    this.#blockTimeout = checkNumber(options.blockTimeout ?? 5000, "options.blockTimeout", 0, 3_600_000);
    for (const [role, { inputs }] of Object.entries(roles ?? {})) {
      if (inputs !== "all" && !Array.isArray(inputs)) {
        throw new InvalidArgumentError(`options.roles.${role}.inputs`, '"all" or an array of names', inputs);
      }
    }
    this.roles = roles;
    this.#ownsAudit = audit !== undefined && !(audit instanceof AuditChain);
    this.audit = audit === undefined || audit instanceof AuditChain ? audit : new AuditChain(audit);
    for (const [name, value] of Object.entries(retained)) this.retain(name, value);
    this.#inputs = new Inputs({
      session: id,
      contract: options.inputs as Contract | undefined,
      handlers: handlersOf(options.inputs, options.handlers),
      roles,
      audit: this.audit,
    });
    this.audit?.append("opened", { session: id, pid: process.pid });
  }

  /** The place after the newest event. */
  get cursor(): Cursor {
    return cursorOf(this.logId, this.log.last);
  }

  get state(): string {
    return this.#state;
  }

  /** The interfaces that are attached. */
  get interfaces(): ReadonlySet<InterfaceInfo> {
    return this.#interfaces;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Appends an event, and sends it to each interface that has room. Never waits: see `ready`. Returns the event's sequence number.
   *
   * Throws an EncodeError for an event without a JSON form, a MessageTooLargeError for one above `maxEventBytes`, and a ClosedError.
   */
  append(event: Event, kind = "event"): number {
    if (this.#closing !== undefined) throw new ClosedError("the session is closed");
    const json = jsonOf(event);
    if (json.length > this.#maxEvent) throw new MessageTooLargeError(this.#maxEvent, json.length);
    const { log } = this;
    const sequence = log.last + 1;
    const text = eventText(sequence, this.#classNames.get(kind) ?? this.#nameClass(kind), json);
    log.push(text, kind);
    for (const { feed } of this.#interfaces) feed.push(text);
    return sequence;
  }

  /**
   * Resolves when no interface is so far behind that an event of a class with the policy `block` could be lost: no more than half of the
   * log waits for it. An interface that takes nothing for `blockTimeout` ms is not waited for until it has caught up. Await it before
   * `append`, and such an interface slows the program down.
   */
  async ready(): Promise<void> {
    while (this.#hasBlocking && this.#closing === undefined && this.#isHeldUp()) {
      await new Promise<void>((resolve) => {
        // An interface that takes something ends the wait. The timer is for one that does not.
        const timer = setTimeout(done, Math.max(1, this.#blockTimeout));
        function done() {
          clearTimeout(timer);
          resolve();
        }
        this.#waiting.push(done);
      });
    }
  }

  /** Tells all interfaces a new state: `"running"`, `"blocked"`, `"awaiting_hitl"`, or any other of up to 64 characters. */
  setState(state: string): void {
    if (checkName(state, "state") === this.#state) return;
    this.#state = state;
    for (const { carrier } of this.#interfaces) carrier.changed("state", "");
  }

  /** Keeps a value by name, and tells it to all interfaces. `undefined` takes it away. The value is copied as JSON. */
  retain(name: string, value: unknown): void {
    checkName(name, "name");
    if (value === undefined) this.#retained.delete(name);
    else this.#retained.set(name, { value: JSON.parse(jsonOf(value)) });
    for (const { carrier } of this.#interfaces) carrier.changed("retained", name);
  }

  /** The value that is kept; undefined if there is none. */
  retained(name: string): unknown {
    return this.#retained.get(name)?.value;
  }

  /** Called by a carrier: adds an interface. An attachment of the same client that is still there is replaced. */
  attach(carrier: Carrier, from: From): { readonly welcome: Welcome; readonly attached: SessionInterface } {
    if (this.#closing !== undefined) throw new ClosedError("the session is closed");
    this.#replace(carrier.client);
    const record = this.#inputs.attach(carrier.client, carrier.instance, (client) =>
      this.#byClient.has(client),
    );
    const { start, tooOld } = this.#startOf(from);
    const attached = new SessionInterface(carrier, record, new Feed(this, carrier, start));
    this.#interfaces.add(attached);
    this.#byClient.set(carrier.client, attached);
    const welcome: Welcome = {
      session: this.id,
      log: this.logId,
      epoch: record.epoch,
      sequence: start.at === "sequence" ? start.sequence : start.after,
      tooOld,
      state: this.#state,
      retained: Object.fromEntries([...this.#retained].map(([name, { value }]) => [name, value])),
    };
    this.#note("attached", attached);
    guarded(() => this.emit("attach", attached));
    return { welcome, attached };
  }

  /** Called by a carrier whose interface has gone. */
  detach(attached: SessionInterface): void {
    if (!this.#interfaces.delete(attached)) return;
    attached.feed.end();
    if (this.#byClient.get(attached.client) === attached) this.#byClient.delete(attached.client);
    this.#goOn();
    guarded(() => this.emit("detach", attached));
  }

  /** Called by a carrier that has room again. */
  resume(attached: SessionInterface): void {
    attached.feed.resume();
    attached.holdsUpSince = undefined;
    this.#goOn();
  }

  /** Called by a carrier whose interface asks for a snapshot. Returns whether the session has any. */
  refresh(attached: SessionInterface): boolean {
    this.#note("snapshot", attached);
    attached.feed.refresh();
    return this.hasSnapshots;
  }

  /** Called by a carrier with an input. */
  input(attached: SessionInterface, message: InputMessage): Promise<unknown> {
    const { client, role, peer, via } = attached;
    const source: InputSource = { client, role, peer, via };
    return this.#inputs.apply(message, attached.record, attached.epoch, source);
  }

  /** Whether the session has snapshots. */
  get hasSnapshots(): boolean {
    return this.#snapshot !== undefined;
  }

  snapshotText(): string | undefined {
    if (this.#snapshot === undefined) return undefined;
    try {
      return jsonOf(this.#snapshot());
    } catch (error) {
      const told = error instanceof Error ? error : new Error(String(error));
      if (!this.emit("snapshotError", told)) process.emitWarning(told);
      return undefined;
    }
  }

  policyOf(kind: string): ClassPolicy {
    return this.#policies[kind] ?? "keep";
  }

  /** Called once by `serveSession`: what is closed with the session. */
  listening(source: { close(): Promise<void> }): void {
    this.#source = source;
  }

  /**
   * Ends the session of this process. Interfaces get what was appended, and handlers that run may finish, for at most `grace` ms (default
   * 5000). Interfaces that reconnect go on trying, for a process that serves the session next. With `over`, they are told that none will.
   */
  close({
    grace = 5000,
    over = false,
  }: {
    readonly grace?: number;
    readonly over?: boolean;
  } = {}): Promise<void> {
    this.#closing ??= this.#close(checkNumber(grace, "options.grace", 0, 3_600_000), over);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(grace: number, over: boolean): Promise<void> {
    const until = now() + grace;
    const left = () => Math.max(0, until - now());
    this.#goOn();
    await this.#within(left(), this.#inputs.idle());
    while ([...this.#interfaces].some(({ feed }) => feed.lag > 0) && left() > 0) {
      await this.#within(Math.min(left(), 20), new Promise<void>((resolve) => this.#waiting.push(resolve)));
    }
    if (over) await Promise.all([...this.#interfaces].map(({ carrier }) => carrier.over(left())));
    await Promise.all([...this.#interfaces].map(({ carrier }) => carrier.close(left())));
    await this.#source?.close();
    for (const attached of [...this.#interfaces]) this.detach(attached);
    try {
      this.audit?.append("closed", { session: this.id, over });
    } catch (error) {
      process.emitWarning(error as Error);
    }
    if (this.#ownsAudit) this.audit?.close();
    this.emit("close");
  }

  #within(ms: number, done: Promise<unknown>): Promise<unknown> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), ms);
      void done.then(() => {
        clearTimeout(timer);
        resolve(undefined);
      });
    });
  }

  /** Writes what an interface did, other than an input, to the audit chain. It is done also where that is full. */
  #note(kind: string, { client, role, peer, via, epoch }: SessionInterface): void {
    try {
      this.audit?.limited(kind, { client, role, pid: peer?.pid, via, epoch });
    } catch (error) {
      process.emitWarning(error as Error);
    }
  }

  #replace(client: string): void {
    const before = this.#byClient.get(client);
    if (before === undefined) return;
    this.detach(before);
    before.carrier.replaced();
  }

  #startOf(from: From): { readonly start: Start; readonly tooOld: boolean } {
    const { log } = this;
    log.expire();
    const at = (sequence: number) => ({ start: { at: "sequence" as const, sequence }, tooOld: false });
    if (from === "live") return at(log.last);
    if (from === "snapshot")
      return { start: { at: "snapshot", reason: "attach", after: undefined }, tooOld: false };
    if ("last" in from) return at(Math.max(log.first - 1, log.last - from.last));
    const place = partsOf(from.cursor);
    const isOurs = place?.log === this.logId && place.sequence <= log.last;
    if (isOurs && place.sequence >= log.first - 1) return at(place.sequence);
    const after = isOurs ? place.sequence : undefined;
    return { start: { at: "snapshot", reason: "too-old", after }, tooOld: true };
  }

  /** Whether an interface is so far behind that `ready` must wait for it. */
  #isHeldUp(): boolean {
    const { log } = this;
    for (const one of this.#interfaces) {
      const { next } = one.feed;
      const isBehind =
        one.feed.isPaused &&
        next <= log.last &&
        (log.shareFrom(next) > 0.5 || (log.byteShare > 0.5 && next <= log.first + log.size / 2));
      if (!isBehind) {
        one.holdsUpSince = undefined;
        continue;
      }
      one.holdsUpSince ??= now();
      if (now() - one.holdsUpSince < this.#blockTimeout) return true;
    }
    return false;
  }

  #goOn(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #nameClass(kind: string): string {
    const text = JSON.stringify(checkName(kind, "class"));
    // A program that makes up classes must not fill the memory with their names.
    if (this.#classNames.size >= 1024) this.#classNames.clear();
    this.#classNames.set(kind, text);
    return text;
  }
}

function limitsOf(log: Partial<LogLimits>): LogLimits {
  checkOptions(log, ["maxEvents", "maxBytes", "maxAge"], "options.log");
  const { maxEvents, maxBytes, maxAge } = { ...DEFAULT_LOG, ...log };
  return {
    maxEvents: checkInteger(maxEvents, "options.log.maxEvents", 1, 16_777_216),
    maxBytes: checkInteger(maxBytes, "options.log.maxBytes", 1, Number.MAX_SAFE_INTEGER),
    maxAge: checkNumber(maxAge, "options.log.maxAge", 0, Number.POSITIVE_INFINITY),
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

function checkName(value: unknown, argument: string): string {
  if (typeof value !== "string" || value.length > LONGEST_NAME) {
    throw new InvalidArgumentError(argument, `a string of up to ${LONGEST_NAME} characters`, value);
  }
  return value;
}

function jsonOf(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new EncodeError(`JSON.stringify failed: ${(cause as Error)?.message ?? cause}`, "", { cause });
  }
  if (text === undefined) throw new EncodeError("the value has no JSON form", "");
  return text;
}

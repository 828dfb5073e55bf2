import { EventEmitter } from "node:events";
import { checkNumber } from "../check.js";
import { clearTimeout, now, setImmediate, setTimeout, type Timer } from "../clock.js";
import { ClosedError, InvalidArgumentError, MessageTooLargeError } from "../errors.js";
import { guarded } from "../raise.js";
import type { Contract } from "../rpc/contract.js";
import { AuditChain } from "./audit.js";
import { type Carrier, type InterfaceInfo, SessionInterface, type Welcome } from "./carrier.js";
import { EventLog } from "./event-log.js";
import { type ClassPolicy, Feed, type FeedSource } from "./feed.js";
import { type Cursor, cursorOf, eventText, jsonOf, newId } from "./frames.js";
import { type InputMessage, type InputSource, Inputs, type RoleRights } from "./inputs.js";
import { Outlet } from "./outlet.js";
import { Retained } from "./retained.js";
import { checkName, type SessionOptions, sessionSettings } from "./settings.js";
import { type From, startOf } from "./start.js";
import type { Journal } from "./store/journal.js";
import { type OpenedSession, openJournal } from "./store/open-journal.js";
import { Waiting } from "./waiting.js";

export type { Carrier, InterfaceInfo, Welcome } from "./carrier.js";
export { SessionInterface } from "./carrier.js";
export type { SessionOptions } from "./settings.js";
export type { From } from "./start.js";

export interface SessionEvents {
  attach: [info: InterfaceInfo];
  detach: [info: InterfaceInfo];
  /** An interface did something against the rules, or could not attach. */
  peerError: [error: Error];
  /** The function `snapshot` threw, or what it returned has no JSON form. Interfaces get the events that the log has. */
  snapshotError: [error: Error];
  /** The store can't be written (a NoSpaceError, or a StoreError), or was damaged and begun anew (a StoreError). Without a listener, a warning. */
  storeError: [error: Error];
  /** The store can be written again. */
  storeRecovered: [];
  close: [];
}

/** An event as the log has it. */
export interface LoggedEvent<Event = unknown> {
  readonly sequence: number;
  readonly class: string;
  readonly event: Event;
}

/*
 * Longer than most files: the class is what programs, carriers and interfaces see of a session. What it does lies elsewhere: events in
 * event-log.ts, outlet.ts and feed.ts, inputs in inputs.ts, the store in store/journal.ts.
 */

/** What a program streams to any number of interfaces, and what these tell it. Made by `serveSession`, or alone for a bridge. */
export class Session<Event = unknown, Snapshot = unknown, Calls extends Contract = Contract>
  extends EventEmitter<SessionEvents>
  implements AsyncDisposable, FeedSource
{
  readonly id: string;
  /** The id of this log, a part of each cursor. */
  readonly logId: string;
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
  readonly #inputs: Inputs;
  readonly #retained = new Retained();
  readonly #interfaces = new Set<SessionInterface>();
  readonly #byClient = new Map<string, SessionInterface>();
  /** Classes whose names are well. */
  readonly #classNames = new Set<string>();
  readonly #journal: Journal | undefined;
  readonly #outlet: Outlet;
  readonly #waiting: Waiting;
  #state: string;
  #closing: Promise<void> | undefined;
  #aging: Timer | undefined;
  #source: { close(): Promise<void> } | undefined;

  /** A session whose log is in memory. `opened`: what `Session.open` has. */
  constructor(options: SessionOptions<Event, Snapshot, Calls> = {}, opened?: OpenedSession) {
    super();
    const settings = opened?.settings ?? sessionSettings(options as never);
    const { limits, audit, maxEvent, slowAfter, classes } = settings;
    const journal = opened?.journal;
    if (settings.store !== undefined && journal === undefined) {
      throw new InvalidArgumentError(
        "options.log.store",
        "none here: Session.open() opens it",
        settings.store,
      );
    }
    this.#journal = journal;
    const { facts } = journal?.restored ?? {};
    this.id = settings.id ?? facts?.session ?? newId();
    this.logId = (journal?.hasLostEnd ? undefined : facts?.log) ?? newId();
    this.log = opened?.log ?? new EventLog(limits);
    this.#snapshot = settings.snapshot;
    this.#state = facts?.state ?? settings.state;
    this.#policies = Object.assign(Object.create(null), classes);
    this.#hasBlocking = Object.values(classes).includes("block");
    this.#maxEvent = maxEvent;
    this.slowAfter = slowAfter;
    this.#waiting = new Waiting(this.log, this.#interfaces, settings.blockTimeout);
    this.#outlet = new Outlet(this.log, this.#interfaces, limits.maxEvents, journal);
    this.roles = settings.roles;
    this.#ownsAudit = audit !== undefined && !(audit instanceof AuditChain);
    this.audit = audit === undefined || audit instanceof AuditChain ? audit : new AuditChain(audit);
    this.#inputs = new Inputs({
      session: this.id,
      contract: settings.inputs,
      handlers: settings.handlers,
      roles: settings.roles,
      audit: this.audit,
      book: journal,
    });
    if (journal !== undefined) this.#goOnWith(journal, limits.maxAge);
    for (const [name, value] of Object.entries(settings.retained)) {
      if (!this.#retained.has(name)) this.retain(name, value);
    }
    this.audit?.append("opened", { session: this.id, pid: process.pid });
  }

  /**
   * A session whose log may have a store. Rejects with a StoreError if its file can't be used, and with a MissingPackageError if this Node
   * has no SQLite.
   */
  static async open<Event = unknown, Snapshot = unknown, const Calls extends Contract = Contract>(
    options: SessionOptions<Event, Snapshot, Calls> = {},
  ): Promise<Session<Event, Snapshot, Calls>> {
    const settings = sessionSettings(options as never);
    const open = await openJournal(settings);
    return Session.of(options, open(settings));
  }

  /** Called by `serveSession`, which opens the journal when it has the name. */
  static of<Event, Snapshot, Calls extends Contract>(
    options: SessionOptions<Event, Snapshot, Calls>,
    opened: OpenedSession,
  ): Session<Event, Snapshot, Calls> {
    try {
      return new Session(options, opened);
    } catch (error) {
      opened.journal?.abandon();
      throw error;
    }
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
   * Throws an EncodeError for an event without a JSON form, a MessageTooLargeError for one above `maxEventBytes`, and a ClosedError. While
   * the store can't be written: a NoSpaceError, or a StoreError (see `whenFull`).
   */
  append(event: Event, kind = "event"): number {
    if (this.#closing !== undefined) throw new ClosedError("the session is closed");
    this.#journal?.mustTake();
    if (!this.#classNames.has(kind)) this.#nameClass(kind);
    const { log } = this;
    const sequence = log.last + 1;
    const text = eventText(sequence, kind, event);
    if (text.length > this.#maxEvent) this.#checkLength(text, sequence, kind);
    log.push(text, kind);
    this.#outlet.appended(text.length);
    return sequence;
  }

  /**
   * Resolves when no interface is so far behind that an event of a class with the policy `block` could be lost: no more than half of the
   * log waits for it. An interface that takes nothing for `blockTimeout` ms is not waited for until it has caught up. Await it before
   * `append`, and such an interface slows the program down.
   */
  async ready(): Promise<void> {
    if (!this.#hasBlocking || this.closed) return;
    this.#outlet.settle();
    await this.#waiting.room(() => this.closed);
  }

  /**
   * Resolves when all that was appended, retained and set so far is in the store, and at once without one. Rejects with a NoSpaceError or a
   * StoreError if it can't be stored now; with `whenFull: "hold"` it waits until it can.
   */
  stored(): Promise<void> {
    return this.#journal?.stored(true) ?? Promise.resolve();
  }

  /** The events that the log has, from the one after `after` on: for a program that was started again, and makes its state of them. */
  *events(after = 0): IterableIterator<LoggedEvent<Event>> {
    const { log } = this;
    log.expire();
    for (let next = after + 1; next <= log.last; next++) {
      next = Math.max(next, log.first);
      if (next > log.last) return;
      const [sequence, kind, event] = JSON.parse(log.text(next)) as [number, string, Event];
      yield { sequence, class: kind, event };
    }
  }

  /** Tells all interfaces a new state: `"running"`, `"blocked"`, `"awaiting_hitl"`, or any other of up to 64 characters. */
  setState(state: string): void {
    if (checkName(state, "state") === this.#state) return;
    this.#state = state;
    this.#journal?.setState(state);
    // An interface hears of it after the events that were appended before.
    this.#outlet.settle();
    for (const { carrier } of this.#interfaces) carrier.changed("state", "");
  }

  /** Keeps a value by name, and tells it to all interfaces. `undefined` takes it away. The value is copied as JSON. */
  retain(name: string, value: unknown): void {
    checkName(name, "name");
    const text = this.#retained.set(name, value);
    this.#journal?.retain(name, text);
    this.#outlet.settle();
    for (const { carrier } of this.#interfaces) carrier.changed("retained", name);
  }

  /** The value that is kept; undefined if there is none. */
  retained(name: string): unknown {
    return this.#retained.get(name);
  }

  /** Called by a carrier: adds an interface. An attachment of the same client that is still there is replaced. */
  attach(carrier: Carrier, from: From): { readonly welcome: Welcome; readonly attached: SessionInterface } {
    if (this.#closing !== undefined) throw new ClosedError("the session is closed");
    this.#replace(carrier.client);
    this.#outlet.settle();
    const record = this.#inputs.attach(carrier.client, carrier.instance, (client) =>
      this.#byClient.has(client),
    );
    const { start, tooOld } = startOf(from, this.log, this.logId);
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
      retained: this.#retained.all(),
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
    this.#waiting.goOn();
    guarded(() => this.emit("detach", attached));
  }

  /** Called by a carrier that has room again. */
  resume(attached: SessionInterface): void {
    attached.feed.resume();
    this.#waiting.goOn(attached);
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

  settle(): boolean {
    return this.#outlet.settle();
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
    this.#waiting.goOn();
    await within(left(), this.#inputs.idle());
    this.#outlet.settle();
    while ([...this.#interfaces].some(({ feed }) => feed.lag > 0) && left() > 0) {
      await this.#waiting.within(Math.min(left(), 20));
    }
    if (over) await Promise.all([...this.#interfaces].map(({ carrier }) => carrier.over(left())));
    await Promise.all([...this.#interfaces].map(({ carrier }) => carrier.close(left())));
    clearTimeout(this.#aging);
    // Before the name is free: the next process opens the file.
    const lost = this.#journal?.close();
    if (lost !== undefined) this.#tellStore(lost);
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

  /** Takes over what the store has. */
  #goOnWith(journal: Journal, maxAge: number): void {
    const { retained, clients, inputs } = journal.restored;
    for (const [name, text] of retained) this.#retained.restore(name, text);
    this.#inputs.restore(clients, inputs);
    const facts = () => ({ session: this.id, log: this.logId, state: this.#state });
    const goOn = () => {
      if (!this.#outlet.settle()) return;
      for (const { feed } of this.#interfaces) feed.resume();
    };
    journal.begin(
      {
        wanted: () => this.#outlet.schedule(),
        again: goOn,
        trouble: (error) => this.#tellStore(error),
        recovered: () => guarded(() => this.emit("storeRecovered")),
        lost: () => {
          journal.identify(facts());
          for (const [name, value] of Object.entries(this.#retained.all()))
            journal.retain(name, JSON.stringify(value));
          this.#inputs.restate();
        },
      },
      facts(),
    );
    const { damaged } = journal;
    // The program has no listeners yet.
    if (damaged !== undefined) setImmediate(() => this.#tellStore(damaged));
    if (maxAge < Number.POSITIVE_INFINITY) this.#age(Math.min(60_000, Math.max(20, maxAge / 2)));
  }

  /** Drops old events from the store, also while none are appended. */
  #age(interval: number): void {
    this.#aging = setTimeout(() => {
      this.log.expire();
      this.#outlet.settle();
      this.#age(interval);
    }, interval).unref();
  }

  #tellStore(error: Error): void {
    if (this.listenerCount("storeError") === 0) process.emitWarning(error);
    else guarded(() => this.emit("storeError", error));
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

  #nameClass(kind: string): void {
    checkName(kind, "class");
    // A program that makes up classes must not fill the memory with their names.
    if (this.#classNames.size >= 1024) this.#classNames.clear();
    this.#classNames.add(kind);
  }

  #checkLength(text: string, sequence: number, kind: string): void {
    const length = text.length - `[${sequence},${JSON.stringify(kind)},]`.length;
    if (length > this.#maxEvent) throw new MessageTooLargeError(this.#maxEvent, length);
  }
}

/** Resolves when it is done, or after `ms` ms. */
function within(ms: number, done: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    void done.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

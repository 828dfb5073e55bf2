import { clearTimeout, now, setTimeout, type Timer } from "../../clock.js";
import { NoSpaceError } from "../../errors.js";
import { StoreError } from "../../store/errors.js";
import { type Driver, failureOf } from "../../store/sqlite-driver.js";
import { setAside } from "../../store/sqlite-file.js";
import type { ClientRecord } from "../client-record.js";
import type { EventLog } from "../event-log.js";
import type { InputBook, StoredClient, StoredInput } from "../input-book.js";
import { bootId } from "./boot.js";
import { type ClientChange, type Facts, SessionFile } from "./session-file.js";

/** How long to wait before a commit that failed is tried again, in ms. */
const RETRY = 200;
/** How often to look whether the file is still there, in ms, as long as there are commits. */
const TENDING = 1000;

export interface JournalParts {
  readonly path: string;
  readonly driver: Driver;
  readonly durability: "process" | "disk";
  readonly whenFull: "refuse" | "hold";
  readonly log: EventLog;
}

/** What the journal tells its session. */
export interface JournalEvents {
  /** The file can't be written, or was damaged. */
  trouble(error: Error): void;
  /** The file has nothing any more: all that is kept must be told again. */
  lost(): void;
  /** It is time to try again. */
  again(): void;
  /** It can be written again. */
  recovered(): void;
  /** Something is to be written, in this turn of the event loop. */
  wanted(): void;
}

/** What an earlier process has left. */
export interface Restored {
  readonly facts: Partial<Facts>;
  readonly retained: readonly (readonly [name: string, value: string])[];
  readonly clients: readonly StoredClient[];
  readonly inputs: readonly StoredInput[];
}

interface Waiter {
  resolve(): void;
  reject(error: Error): void;
  readonly isPatient: boolean;
}

/**
 * What of a session goes to its file: collected, and written in one transaction a turn. Interfaces get events when they are stored, so that
 * none knows of an event that the next process does not have. Until something is written it waits here, or in the log.
 */
export class Journal implements InputBook {
  readonly restored: Restored;
  /** Where a damaged file lies, in whose place this one was begun. */
  readonly damaged: StoreError | undefined;
  readonly #parts: JournalParts;
  #events: JournalEvents | undefined;
  #file: SessionFile;
  #stored: number;
  #facts: Partial<Facts> = {};
  readonly #retained = new Map<string, string | undefined>();
  readonly #clients = new Map<string, ClientRecord | undefined>();
  readonly #waiters: Waiter[] = [];
  #failure: Error | undefined;
  #retryAt = 0;
  #timer: Timer | undefined;
  #tended = now();
  /** The first event that the file has; what the log did not take is dropped from the file, too. */
  #first = 0;
  #abandoned = false;

  /** Opens the file, or makes it, and fills the log. Throws a StoreError. */
  constructor(parts: JournalParts) {
    this.#parts = parts;
    const { path, log } = parts;
    try {
      this.#file = this.#open();
      this.restored = this.#load();
    } catch (error) {
      const aside = setAside(path, error);
      if (aside === undefined) throw error;
      this.damaged = new StoreError(`${path} is damaged; it lies in ${aside} now`, path, { cause: error });
      log.beginAfter(0);
      this.#file = this.#open();
      this.restored = { facts: {}, retained: [], clients: [], inputs: [] };
    }
    this.#stored = log.last;
  }

  /** Whether the last process may have lost its last events with the machine, so that their numbers may be given again. */
  get hasLostEnd(): boolean {
    const { facts } = this.restored;
    const { closed, boot = "" } = facts;
    return closed !== "yes" && boot !== "" && boot !== bootId();
  }

  /** Writes who the session is. Throws if the file can't be written. */
  begin(events: JournalEvents, facts: Pick<Facts, "session" | "log" | "state">): void {
    this.#events = events;
    this.identify(facts);
    this.#write();
  }

  identify(facts: Pick<Facts, "session" | "log" | "state">): void {
    const boot = this.#parts.durability === "disk" ? "" : bootId();
    this.#facts = { ...facts, boot, closed: "no" };
  }

  /** Why nothing can be stored at the moment; undefined if it can. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Throws if no further event can be taken. */
  mustTake(): void {
    if (this.#failure === undefined) return;
    const { log, whenFull } = this.#parts;
    // A log that is full of events that are not stored would lose them.
    if (whenFull === "refuse" || (log.isFull && log.first > this.#stored)) throw this.#failure;
  }

  setState(state: string): void {
    this.#facts.state = state;
    this.#events!.wanted();
  }

  /** `value`: JSON; undefined if there is none any more. */
  retain(name: string, value: string | undefined): void {
    this.#retained.set(name, value);
    this.#events!.wanted();
  }

  changed(client: string, record: ClientRecord | undefined): void {
    this.#clients.set(client, record);
    this.#events!.wanted();
  }

  /** Resolves when all that was told so far is stored. Rejects if it can't be stored now; with `isPatient`, waits until it can. */
  stored(isPatient = false): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject, isPatient });
      this.#events!.wanted();
    });
  }

  /** Writes what there is, in one transaction. Returns false if it can't be written now: all of it waits. */
  commit(): boolean {
    if (this.#abandoned) return false;
    if (this.#failure !== undefined && now() < this.#retryAt) {
      this.#rejectWaiters(this.#failure);
      return false;
    }
    try {
      this.#write();
    } catch (error) {
      if (!this.#replaced(error as Error)) {
        this.#fail(error as Error);
        return false;
      }
    }
    const hadFailed = this.#failure !== undefined;
    this.#failure = undefined;
    for (const { resolve } of this.#waiters.splice(0)) resolve();
    if (hadFailed) this.#events!.recovered();
    return true;
  }

  /** Writes what there is, and ends. Returns why something was lost; undefined if all is stored. */
  close(): Error | undefined {
    clearTimeout(this.#timer);
    this.#retryAt = 0;
    this.#facts.closed = "yes";
    const isStored = this.commit();
    for (const { reject } of this.#waiters.splice(0)) reject(this.#failure!);
    try {
      this.#file.close();
    } catch (error) {
      return this.#failure ?? (error as Error);
    }
    return isStored ? undefined : this.#failure;
  }

  /** Ends as the end of the process would: what is not stored is lost. */
  abandon(): void {
    this.#abandoned = true;
    clearTimeout(this.#timer);
    this.#file.close();
  }

  #open(): SessionFile {
    const { path, driver, durability } = this.#parts;
    return new SessionFile(path, driver, durability);
  }

  #load(): Restored {
    const file = this.#file;
    const { log } = this.#parts;
    try {
      const facts = file.facts();
      file.fill(log);
      const last = Number(facts.last ?? 0);
      if (last > log.last) log.beginAfter(last);
      log.ready = log.last;
      return { facts, retained: file.retained(), clients: file.clients(), inputs: file.inputs() };
    } catch (error) {
      file.close();
      throw error;
    }
  }

  #write(): void {
    const { log } = this.#parts;
    if (now() - this.#tended >= TENDING) {
      this.#tended = now();
      this.#file.tend();
    }
    if (!this.#isDirty) return;
    const { last, first } = log;
    this.#file.write({
      stored: this.#stored,
      log,
      facts: this.#facts,
      retained: this.#retained,
      clients: this.#clientChanges(),
    });
    this.#stored = last;
    this.#first = first;
    this.#facts = {};
    this.#retained.clear();
    for (const record of this.#clients.values()) record?.written();
    this.#clients.clear();
  }

  get #isDirty(): boolean {
    const { log } = this.#parts;
    return (
      log.last > this.#stored ||
      log.first !== this.#first ||
      this.#retained.size > 0 ||
      this.#clients.size > 0 ||
      Object.keys(this.#facts).length > 0
    );
  }

  *#clientChanges(): Iterable<ClientChange> {
    for (const [id, record] of this.#clients) {
      const { isAnew = false, changed = [], texts } = record ?? {};
      yield {
        id,
        client: record && { id, epoch: record.epoch, instance: record.instance, acked: record.acked },
        isAnew,
        inputs: [...changed].map((number) => [number, texts!.get(number)] as const),
      };
    }
  }

  /** Where the file is damaged, begins another one. The memory has all that the file had. Returns false for another error. */
  #replaced(error: Error): boolean {
    if (failureOf(error) !== "damaged") return false;
    const { path } = this.#parts;
    try {
      this.#file.close();
    } catch {
      // It can't be read.
    }
    try {
      const aside = setAside(path, error);
      this.#file = this.#open();
      this.#stored = 0;
      this.#events!.trouble(
        new StoreError(
          `${path} is damaged (${error.message}); it lies in ${aside} now, and another was begun`,
          path,
          {
            cause: error,
          },
        ),
      );
      this.#events!.lost();
      this.#write();
      return true;
    } catch {
      return false;
    }
  }

  #fail(cause: Error): void {
    const { path } = this.#parts;
    const text = `nothing is stored in ${path}: ${cause.message}`;
    const isFirst = this.#failure === undefined;
    this.#failure =
      failureOf(cause) === "full"
        ? new NoSpaceError(text, 0, { cause })
        : new StoreError(text, path, { cause });
    this.#rejectWaiters(this.#failure);
    this.#retryAt = now() + RETRY;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#retryAt = 0;
      this.#events!.again();
    }, RETRY).unref();
    if (isFirst) this.#events!.trouble(this.#failure);
  }

  #rejectWaiters(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) {
      if (waiter.isPatient) this.#waiters.push(waiter);
      else waiter.reject(error);
    }
  }
}

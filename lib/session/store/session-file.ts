import { wallClock } from "../../clock.js";
import type { Database, Driver, Statement } from "../../store/sqlite-driver.js";
import { SqliteFile } from "../../store/sqlite-file.js";
import type { EventLog } from "../event-log.js";
import type { StoredClient, StoredInput } from "../input-book.js";
import { SESSION_FORMAT } from "./schema.js";

/** What the file says of the session besides its events: single texts by name. */
export interface Facts {
  /** The session's id, and the id of its log. */
  session: string;
  log: string;
  /** The sequence number of the last event, which may be gone. */
  last: string;
  state: string;
  /** The start of the machine in which it was written last, and whether it was closed in order since. */
  boot: string;
  closed: string;
}

/** What is written in one transaction. */
export interface Changes {
  /** Events up to this one are stored already. */
  readonly stored: number;
  readonly log: EventLog;
  readonly facts: Partial<Facts>;
  /** Undefined: the value is no longer there. */
  readonly retained: Iterable<readonly [name: string, value: string | undefined]>;
  readonly clients: Iterable<ClientChange>;
}

export interface ClientChange {
  readonly id: string;
  /** Undefined: the session has forgotten the client. */
  readonly client: StoredClient | undefined;
  /** Whether the inputs in the file are those of a former run of the client. */
  readonly isAnew: boolean;
  /** Outcomes by the number of the input. Null: begun. Undefined: as if it had not been made. */
  readonly inputs: Iterable<readonly [number: number, outcome: string | null | undefined]>;
}

const SQL = {
  begin: "begin immediate",
  commit: "commit",
  facts: "select name, value from fact",
  saveFact: "insert or replace into fact (name, value) values (?, ?)",
  events: "select sequence, class, at, frame from event order by sequence",
  addEvent: "insert or replace into event (sequence, class, at, frame) values (?, ?, ?, ?)",
  dropEvents: "delete from event where sequence < ?",
  retained: "select name, value from retained",
  retain: "insert or replace into retained (name, value) values (?, ?)",
  release: "delete from retained where name = ?",
  clients: "select id, epoch, instance, acked from client order by used",
  saveClient: "insert or replace into client (id, epoch, instance, acked, used) values (?, ?, ?, ?, ?)",
  dropClient: "delete from client where id = ?",
  inputs: "select client, number, outcome from input order by client, number",
  saveInput: "insert or replace into input (client, number, outcome) values (?, ?, ?)",
  dropInput: "delete from input where client = ? and number = ?",
  dropAcked: "delete from input where client = ? and number <= ?",
  dropInputs: "delete from input where client = ?",
} as const;

type Statements = { readonly [Name in keyof typeof SQL]: Statement };

/** The rows of a session's file. No other process has it open. */
export class SessionFile {
  readonly #file: SqliteFile;
  #do: Statements;

  /** Throws a StoreError, or what SQLite throws for a damaged file. */
  constructor(path: string, driver: Driver, durability: "process" | "disk") {
    this.#file = new SqliteFile(path, driver, { format: SESSION_FORMAT, durability, exclusive: true });
    // A log that one long transaction has grown is cut again.
    this.#file.database.exec("pragma journal_size_limit = 4194304");
    this.#do = prepare(this.#file.database);
  }

  facts(): Partial<Facts> {
    return Object.fromEntries(this.#do.facts.all().map(({ name, value }) => [name, value])) as Partial<Facts>;
  }

  /** Pushes the stored events into an empty log, which drops what is beyond its limits. */
  fill(log: EventLog): void {
    const time = wallClock();
    for (const { sequence, class: kind, at, frame } of this.#do.events.all()) {
      if ((sequence as number) !== log.last + 1) log.beginAfter((sequence as number) - 1);
      log.push(frame as string, kind as string, Math.max(0, time - (at as number)));
    }
  }

  retained(): [name: string, value: string][] {
    return this.#do.retained.all().map(({ name, value }) => [name as string, value as string]);
  }

  /** The clients, those first that were attached longest ago. */
  clients(): StoredClient[] {
    return this.#do.clients.all() as unknown as StoredClient[];
  }

  inputs(): StoredInput[] {
    return this.#do.inputs.all() as unknown as StoredInput[];
  }

  /** Writes all or, if it throws, nothing. */
  write(changes: Changes): void {
    this.#do.begin.run();
    try {
      this.#writeEvents(changes);
      for (const [name, value] of Object.entries(changes.facts)) this.#do.saveFact.run(name, value as string);
      for (const [name, value] of changes.retained) {
        if (value === undefined) this.#do.release.run(name);
        else this.#do.retain.run(name, value);
      }
      for (const client of changes.clients) this.#writeClient(client);
      this.#do.commit.run();
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  /** If the file was deleted, writes it anew. Throws a StoreError if another one lies there. */
  tend(): void {
    if (this.#file.tend()) this.#do = prepare(this.#file.database);
  }

  close(): void {
    this.#file.close();
  }

  #writeEvents({ stored, log }: Changes): void {
    const time = wallClock();
    for (let sequence = Math.max(stored + 1, log.first); sequence <= log.last; sequence++) {
      const at = Math.floor(time - log.ageOf(sequence));
      this.#do.addEvent.run(sequence, log.classOf(sequence), at, log.text(sequence));
    }
    if (log.first > 1) this.#do.dropEvents.run(log.first);
    if (log.last > stored) this.#do.saveFact.run("last", String(log.last));
  }

  #writeClient({ id, client, isAnew, inputs }: ClientChange): void {
    if (client === undefined || isAnew) this.#do.dropInputs.run(id);
    if (client === undefined) {
      this.#do.dropClient.run(id);
      return;
    }
    this.#do.saveClient.run(id, client.epoch, client.instance, client.acked, wallClock());
    this.#do.dropAcked.run(id, client.acked);
    for (const [number, outcome] of inputs) {
      if (outcome === undefined) this.#do.dropInput.run(id, number);
      else this.#do.saveInput.run(id, number, outcome);
    }
  }

  #rollback(): void {
    try {
      this.#file.database.exec("rollback");
    } catch {
      // SQLite has rolled back by itself, as it does where the disk is full.
    }
  }
}

function prepare(database: Database): Statements {
  return Object.fromEntries(
    Object.entries(SQL).map(([name, sql]) => [name, database.prepare(sql)]),
  ) as Statements;
}

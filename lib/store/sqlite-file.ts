import { existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { wallClock } from "../clock.js";
import { StoreError } from "./errors.js";
import { type Database, type Driver, failureOf } from "./sqlite-driver.js";

/** How long SQLite waits for another process that writes, in ms. It blocks the event loop. */
const BUSY = 50;
/**
 * So many pages of 4 KiB the log may have before they are moved into the file. To move them waits for the disk, and stops the event loop: some
 * 5 ms with the 1000 pages of SQLite's default, and 48 ms with 8000, by which floods are half again as fast.
 */
const LOG_PAGES = 2000;

/** What a file of ours is, for people with the program sqlite3 too. */
export interface FileFormat {
  /** It stands in the file (`pragma application_id`), and marks it as ours. */
  readonly signature: number;
  /** What makes a file of format `i` one of format `i + 1`. Their number is the format, which stands in the file (`pragma user_version`). */
  readonly migrations: readonly string[];
}

export interface FileOptions {
  readonly format: FileFormat;
  /** Whether what was committed survives the end of the process, or a loss of power, which costs a write to the disk each time. */
  readonly durability: "process" | "disk";
  /** Whether no other process may open the file meanwhile. The kernel frees it when this process ends, however it does. Default false. */
  readonly exclusive?: boolean;
}

/** A file of SQLite that is open. It knows when the file is no longer the one under its path. */
export class SqliteFile {
  readonly path: string;
  readonly driver: Driver;
  readonly #options: FileOptions;
  #database: Database;
  #inode: number;

  /** Opens the file and migrates it, or makes it. Throws a StoreError if it is of a newer version, another program's, or in use. */
  constructor(path: string, driver: Driver, options: FileOptions) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.path = path;
    this.driver = driver;
    this.#options = options;
    this.#database = connect(path, driver, options);
    this.#inode = statSync(path).ino;
  }

  get database(): Database {
    return this.#database;
  }

  /**
   * Looks whether the path still leads to this file. If the file was deleted, it is written anew from what is open, and returns true: the
   * database is another one. Throws a StoreError if another file lies there.
   */
  tend(): boolean {
    const inode = statSync(this.path, { throwIfNoEntry: false })?.ino;
    if (inode === this.#inode) return false;
    if (inode !== undefined) {
      throw new StoreError(`${this.path} was replaced by another file while it was open`, this.path);
    }
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    // The log of the deleted file may lie there still, and does not belong to the new one.
    for (const end of ["-wal", "-shm"]) {
      if (existsSync(this.path + end)) renameSync(this.path + end, `${this.path}.deleted${end}`);
    }
    this.#database.prepare("vacuum into ?").run(this.path);
    this.#database.close();
    this.#database = connect(this.path, this.driver, this.#options);
    this.#inode = statSync(this.path).ino;
    return true;
  }

  close(): void {
    this.#database.close();
  }
}

function connect(path: string, driver: Driver, options: FileOptions): Database {
  const database = driver.open(path, false);
  try {
    database.exec(`pragma busy_timeout = ${BUSY}`);
    // Said before the log is opened: then SQLite keeps the index of the log in its own memory, and the lock until the file is closed.
    if (options.exclusive) database.exec("pragma locking_mode = exclusive");
    // node:sqlite begins with FULL, better-sqlite3 with NORMAL in this mode; so it is always said.
    database.exec("pragma journal_mode = wal");
    database.exec(`pragma wal_autocheckpoint = ${LOG_PAGES}`);
    database.exec(`pragma synchronous = ${options.durability === "disk" ? "full" : "normal"}`);
    migrate(database, path, options.format);
    return database;
  } catch (error) {
    database.close();
    if (options.exclusive && failureOf(error) === "busy") {
      throw new StoreError(`${path} is in use by another process`, path, { cause: error });
    }
    throw error;
  }
}

/** Brings the file to our format, in one transaction: other processes may look at it meanwhile. */
function migrate(database: Database, path: string, { signature, migrations }: FileFormat): void {
  const pragma = (name: string) => database.prepare(`pragma ${name}`).get()![name] as number;
  const newest = migrations.length;
  database.exec("begin immediate");
  try {
    const format = pragma("user_version");
    const isNew =
      format === 0 && (database.prepare("select count(*) as n from sqlite_master").get()!.n as number) === 0;
    if (!isNew && pragma("application_id") !== signature) {
      throw new StoreError(`${path} is a database of another program`, path);
    }
    if (format > newest) {
      throw new StoreError(
        `${path} has format ${format}; this version of ringbell reads up to ${newest}: use a newer one`,
        path,
      );
    }
    for (const step of migrations.slice(format)) database.exec(step);
    if (format < newest) {
      database.exec(`pragma application_id = ${signature}`);
      database.exec(`pragma user_version = ${newest}`);
    }
    database.exec("commit");
  } catch (error) {
    database.exec("rollback");
    throw error;
  }
}

/** Moves a file that SQLite can't read out of the way, with its log. Returns where it lies now; undefined if the error is another one. */
export function setAside(path: string, error: unknown): string | undefined {
  if (failureOf(error) !== "damaged") return undefined;
  const aside = `${path}.damaged-${new Date(wallClock()).toISOString().replaceAll(":", "")}`;
  renameSync(path, aside);
  for (const end of ["-wal", "-shm"]) if (existsSync(path + end)) renameSync(path + end, aside + end);
  return aside;
}

import { existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { wallClock } from "../../clock.js";
import { StoreError } from "../errors.js";
import { FORMAT, MIGRATIONS, SIGNATURE } from "./schema.js";
import { type Database, type Driver, failureOf } from "./sqlite-driver.js";
import type { Owner } from "./tables.js";

/** How long SQLite waits for another writer, in ms. It blocks the event loop, and only a broker that is being replaced writes, too. */
const BUSY = 50;

/** A file of SQLite that this broker has open. It knows when the file is no longer the one under its path. */
export class OpenFile {
  readonly path: string;
  readonly driver: Driver;
  readonly #durability: "process" | "disk";
  #database: Database;
  #inode: number;

  private constructor(path: string, driver: Driver, durability: "process" | "disk") {
    this.path = path;
    this.driver = driver;
    this.#durability = durability;
    this.#database = connect(path, driver, durability);
    this.#inode = statSync(path).ino;
  }

  /** Opens the file and migrates it, or makes it. Throws a StoreError if it is of a newer version or another program's. */
  static open(path: string, driver: Driver, durability: "process" | "disk"): OpenFile {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return new OpenFile(path, driver, durability);
  }

  get database(): Database {
    return this.#database;
  }

  /** Returns who has the store, or had it last. */
  owner(): Owner {
    return this.#database.prepare("select epoch, pid, socket from fence").get() as unknown as Owner;
  }

  /** Raises the epoch. Returns it. */
  takeOver({ pid, socket }: Omit<Owner, "epoch">): number {
    const sql = "update fence set epoch = epoch + 1, pid = ?, socket = ? returning epoch";
    return this.#database.prepare(sql).all(pid, socket)[0]!.epoch as number;
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
    this.#database = connect(this.path, this.driver, this.#durability);
    this.#inode = statSync(this.path).ino;
    return true;
  }

  close(): void {
    this.#database.close();
  }
}

function connect(path: string, driver: Driver, durability: "process" | "disk"): Database {
  const database = driver.open(path, false);
  try {
    database.exec(`pragma busy_timeout = ${BUSY}`);
    // node:sqlite begins with FULL, better-sqlite3 with NORMAL in this mode; so it is always said.
    database.exec("pragma journal_mode = wal");
    database.exec(`pragma synchronous = ${durability === "disk" ? "full" : "normal"}`);
    migrate(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Brings the file to our format, in one transaction: other processes may look at it meanwhile. */
function migrate(database: Database, path: string): void {
  const pragma = (name: string) => database.prepare(`pragma ${name}`).get()![name] as number;
  database.exec("begin immediate");
  try {
    const format = pragma("user_version");
    const signature = pragma("application_id");
    const isNew =
      format === 0 && (database.prepare("select count(*) as n from sqlite_master").get()!.n as number) === 0;
    if (!isNew && signature !== SIGNATURE) {
      throw new StoreError(`${path} is a database of another program`, path);
    }
    if (format > FORMAT) {
      throw new StoreError(
        `${path} has format ${format}; this version of ringbell reads up to ${FORMAT}: use a newer one`,
        path,
      );
    }
    for (const step of MIGRATIONS.slice(format)) database.exec(step);
    if (format < FORMAT) {
      database.exec(`pragma application_id = ${SIGNATURE}`);
      database.exec(`pragma user_version = ${FORMAT}`);
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

import { MissingPackageError } from "../missing-package.js";

/*
 * SQLite by `node:sqlite`, which Node has from 22.13 on, or by the package better-sqlite3. They differ in little: this file hides it.
 */

/** A value of a row. Undefined is none: `node:sqlite` throws for it in some versions, and takes it for NULL in others. */
export type Value = string | number | null;
export type Row = Record<string, Value>;

/**
 * A statement. `get` and `all` run it to its end: an iterator over `RETURNING` that is left early would hold back all later commits, while
 * the connection says that no transaction is open.
 */
export interface Statement {
  run(...values: Value[]): unknown;
  get(...values: Value[]): Row | undefined;
  all(...values: Value[]): Row[];
}

export interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

export interface Driver {
  readonly kind: "node:sqlite" | "better-sqlite3";
  open(path: string, readOnly: boolean): Database;
}

type Constructor = new (path: string, options: object) => Database;
type Builtins = { getBuiltinModule?(id: string): { DatabaseSync?: Constructor } | undefined };

/**
 * Loads what this Node can use. Rejects with a MissingPackageError if that is neither: it says that `what` needs it, and what to do `instead`.
 */
export async function sqliteDriver(what: string, instead: string): Promise<Driver> {
  return nodeDriver() ?? (await packageDriver(what, instead));
}

function nodeDriver(): Driver | undefined {
  const database = (process as unknown as Builtins).getBuiltinModule?.("node:sqlite")?.DatabaseSync;
  if (database === undefined) return undefined;
  return { kind: "node:sqlite", open: (path, readOnly) => new database(path, { readOnly }) };
}

async function packageDriver(what: string, instead: string): Promise<Driver> {
  const name = "better-sqlite3";
  try {
    const { default: database } = (await import(name)) as { default: Constructor };
    // The package loads its binary with the first database, which may be missing where install scripts are off.
    new database(":memory:", {}).close();
    return {
      kind: name,
      open: (path, readOnly) => new database(path, { readonly: readOnly }),
    };
  } catch (error) {
    throw new MissingPackageError(
      name,
      `${what} by SQLite, which Node ${process.versions.node} does not have: use Node 22.13 or later, or the package ${name} ` +
        `with its binary, or ${instead}`,
      { cause: error },
    );
  }
}

/** What went wrong in SQLite, as far as its users act on it. */
export type Failure = "full" | "busy" | "damaged" | "other";

const FAILURES: ReadonlyMap<number | string, Failure> = new Map<number | string, Failure>([
  [5, "busy"],
  [11, "damaged"],
  [13, "full"],
  [26, "damaged"],
  ["SQLITE_BUSY", "busy"],
  ["SQLITE_CORRUPT", "damaged"],
  ["SQLITE_FULL", "full"],
  ["SQLITE_NOTADB", "damaged"],
]);

/** `node:sqlite` gives the extended code as a number, better-sqlite3 as a word. Their lowest byte, or beginning, is the primary code. */
export function failureOf(error: unknown): Failure {
  const { errcode, code } = error as { errcode?: number; code?: string };
  if (typeof errcode === "number") return FAILURES.get(errcode & 0xff) ?? "other";
  if (typeof code !== "string") return "other";
  if (code.startsWith("SQLITE_IOERR")) return "other";
  const primary = /^SQLITE_[A-Z]+/.exec(code)?.[0] ?? "";
  return FAILURES.get(primary) ?? "other";
}

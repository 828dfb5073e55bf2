import { closeSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { wallClock } from "../../clock.js";
import { isAliveIn, pidHere, type SpacedIdentity } from "./identity.js";
import type { Address } from "./names.js";

/** The discovery record: one line of JSON in an endpoint's lock file, for as long as the owner lives. */
export interface DiscoveryRecord extends SpacedIdentity {
  readonly name: string;
  /** Null if the endpoint was given by path. */
  readonly namespace: string | null;
  /** The path of the socket. */
  readonly socket: string;
  /** For carriers that need a host and a port; a Unix socket has none. */
  readonly host: string | null;
  readonly port: number | null;
  readonly role: string | null;
  /** The version of the protocol that the owner speaks. */
  readonly version: number;
  /** Whether the owner has the kernel's lock on the file; without the addon it has none. */
  readonly locked?: boolean;
  /** When the owner began to listen, as ISO 8601 in UTC. */
  readonly created: string;
}

/** More bytes than any record takes. A longer file is no record. */
const LONGEST_RECORD = 8192;

export function makeRecord(
  address: Address,
  identity: SpacedIdentity,
  role: string | undefined,
  version: number,
  locked: boolean,
): DiscoveryRecord {
  return {
    name: address.name,
    namespace: address.place?.namespace ?? null,
    ...identity,
    socket: address.socketPath,
    host: null,
    port: null,
    role: role ?? null,
    version,
    locked,
    created: new Date(wallClock()).toISOString(),
  };
}

/** Replaces the content of the open lock file. */
export function writeRecord(descriptor: number, record: DiscoveryRecord): void {
  ftruncateSync(descriptor, 0);
  writeSync(descriptor, `${JSON.stringify(record)}\n`, 0);
}

/** Returns the record in the lock file; "empty" if the file is empty or missing, "foreign" if its content is no record. */
export function readRecord(lockPath: string): DiscoveryRecord | "empty" | "foreign" {
  let text: string;
  try {
    const descriptor = openSync(lockPath, "r");
    try {
      const bytes = Buffer.alloc(LONGEST_RECORD);
      text = bytes.toString("utf8", 0, readSync(descriptor, bytes, 0, LONGEST_RECORD, 0));
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "empty" : "foreign";
  }
  return text === "" ? "empty" : parseRecord(text);
}

/** Returns the record of a lock file whose process still runs, or undefined. */
export function readLiveRecord(lockPath: string): DiscoveryRecord | undefined {
  const record = readRecord(lockPath);
  if (typeof record === "string") return undefined;
  // A process of another pid namespace can't be seen here, so it counts as alive.
  return (isAliveIn(record) ?? true) ? record : undefined;
}

/** Returns the pid that the live owner in the lock file has here, or undefined. */
export function readLivePid(lockPath: string): number | undefined {
  const record = readLiveRecord(lockPath);
  return record === undefined ? undefined : pidHere(record);
}

function parseRecord(text: string): DiscoveryRecord | "foreign" {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "foreign";
  }
  if (typeof value !== "object" || value === null) return "foreign";
  const record = value as Partial<Record<keyof DiscoveryRecord, unknown>>;
  const texts = [record.name, record.space, record.socket, record.created];
  const valid =
    Number.isSafeInteger(record.pid) &&
    (record.pid as number) > 0 &&
    Number.isSafeInteger(record.start) &&
    Number.isSafeInteger(record.version) &&
    texts.every((item) => typeof item === "string") &&
    [record.namespace, record.role].every((item) => item === null || typeof item === "string");
  return valid ? (value as DiscoveryRecord) : "foreign";
}

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { AuditError } from "./errors.js";

/** A record of an audit chain, one line of JSON each. */
export interface AuditRecord {
  /** From 1, without gaps. */
  readonly sequence: number;
  /** ISO 8601, in UTC. */
  readonly time: string;
  readonly kind: string;
  readonly data: unknown;
  /** The hash of the record before; 64 zeros in the first. */
  readonly previous: string;
  /** SHA-256, in hexadecimal, of the line up to here: of all that stands before `,"hash":`. */
  readonly hash: string;
}

export const FIRST_PREVIOUS = "0".repeat(64);

const HASH = /,"hash":"([0-9a-f]{64})"\}$/;

/** The line of a record, and its hash. The hash is over the bytes as they stand, so no other way to write the same JSON matters. */
export function lineOf({ sequence, time, kind, data, previous }: Omit<AuditRecord, "hash">) {
  const body = JSON.stringify({ sequence, time, kind, data, previous }).slice(0, -1);
  const hash = hashOf(body);
  return { line: `${body},"hash":"${hash}"}\n`, hash };
}

/** Reads a line; undefined if it is no record, or its hash is not that of its content. */
export function recordOf(line: string): AuditRecord | undefined {
  const found = HASH.exec(line);
  if (found === null || hashOf(line.slice(0, found.index)) !== found[1]) return undefined;
  try {
    return JSON.parse(line) as AuditRecord;
  } catch {
    return undefined;
  }
}

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex");

/** What `verifyAudit` found in a chain that is whole. */
export interface AuditSummary {
  readonly records: number;
  /** The hash of the last record; 64 zeros if there is none. */
  readonly head: string;
  readonly first: string | undefined;
  readonly last: string | undefined;
}

/**
 * Reads a chain from its beginning and checks every record. `head`, a hash that was noted earlier, must stand in it: without one, nobody
 * can tell whether records were cut off the end.
 *
 * Rejects with an AuditError (ERR_RINGBELL_AUDIT) that names the first line that is wrong.
 */
export async function verifyAudit(
  path: string,
  { head }: { readonly head?: string | undefined } = {},
): Promise<AuditSummary> {
  let previous = FIRST_PREVIOUS;
  let records = 0;
  let first: string | undefined;
  let last: string | undefined;
  let isHeadThere = head === undefined || head === previous;
  const input = createReadStream(path, { encoding: "utf8" });
  let endsWithLine = true;
  input.on("data", (text) => {
    endsWithLine = text.toString().endsWith("\n");
  });
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      const at = records + 1;
      const record = recordOf(line);
      const wrong = (what: string) => new AuditError(`${path}, line ${at}: ${what}`, path, at);
      if (record === undefined) throw wrong("the hash is not that of the record");
      if (record.previous !== previous) throw wrong("the record does not follow the one before it");
      if (record.sequence !== at) throw wrong(`the record has the number ${record.sequence}`);
      previous = record.hash;
      records = at;
      first ??= record.time;
      last = record.time;
      isHeadThere ||= previous === head;
    }
  } catch (cause) {
    if (cause instanceof AuditError) throw cause;
    throw new AuditError(`${path} can't be read: ${(cause as Error).message}`, path, undefined, { cause });
  } finally {
    input.destroy();
  }
  if (!endsWithLine) throw new AuditError(`${path}, line ${records}: the line has no end`, path, records);
  if (!isHeadThere)
    throw new AuditError(`${path}: no record has the hash ${head}; records are missing`, path);
  return { records, head: previous, first, last };
}

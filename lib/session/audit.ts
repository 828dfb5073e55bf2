import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { checkFile } from "../check.js";
import { wallClock } from "../clock.js";
import { InvalidArgumentError } from "../errors.js";
import { FIRST_PREVIOUS, lineOf, recordOf } from "./audit-record.js";
import { AuditError } from "./errors.js";

/*
 * The audit chain: a file of JSON lines, to which records are only ever added. Each has the hash of the one before it, so nobody can
 * change, remove or insert one without making all later hashes wrong. Records are few (what somebody decides, no stream), so each is
 * written at once, and an input is applied only when its record is written.
 */

/** Records a second of what a peer can do as often as it likes, such as being refused. It must not fill the disk. */
const MOST_LIMITED = 20;
/** No record is longer. */
const LONGEST_LINE = 64 * 1024;

export class AuditChain {
  readonly path: string;
  #file: number | undefined;
  #sequence = 0;
  #head = FIRST_PREVIOUS;
  /** The length of the file up to the last whole record. */
  #end = 0;
  /** Limited records that were written in this second, and those that were not since the last record. */
  #second = 0;
  #limited = 0;
  #suppressed = 0;

  /**
   * Opens the chain of a file, or begins one, with mode 0600. A record that was torn when its process was killed is cut off, and the next
   * record says so. Throws an AuditError for a file whose last record is none.
   */
  constructor(path: string | URL) {
    const checked = checkFile(path, "path");
    if (checked === undefined) throw new InvalidArgumentError("path", "a path or a file: URL", path);
    this.path = checked;
    try {
      this.#file = openSync(this.path, "a+", 0o600);
    } catch (cause) {
      throw new AuditError(
        `${this.path} can't be opened: ${(cause as Error).message}`,
        this.path,
        undefined,
        {
          cause,
        },
      );
    }
    try {
      this.#goOn(this.#file);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The hash of the last record. Kept elsewhere, it shows later that no record was cut off the end. */
  get head(): string {
    return this.#head;
  }

  /** Appends a record. Throws an AuditError if it can't be written whole; the chain then has nothing of it. */
  append(kind: string, data: object): void {
    const suppressed = this.#suppressed;
    this.#write(kind, suppressed > 0 ? { ...data, recordsNotWritten: suppressed } : data);
    this.#suppressed = 0;
  }

  /** Like `append`, for what was refused. Limited as `limited`. */
  refusal(data: object): void {
    this.limited("refused", data);
  }

  /** Like `append`. Beyond 20 such records a second they are only counted; the next record has their number. */
  limited(kind: string, data: object): void {
    const second = Math.floor(wallClock() / 1000);
    if (second !== this.#second) this.#limited = 0;
    this.#second = second;
    if (++this.#limited > MOST_LIMITED) this.#suppressed++;
    else this.append(kind, data);
  }

  close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
  }

  #write(kind: string, data: object): void {
    if (this.#file === undefined) throw new AuditError(`${this.path} is closed`, this.path);
    const time = new Date(wallClock()).toISOString();
    const { line, hash } = lineOf({ sequence: this.#sequence + 1, time, kind, data, previous: this.#head });
    const bytes = Buffer.from(line);
    try {
      if (bytes.length > LONGEST_LINE) throw new RangeError(`a record has at most ${LONGEST_LINE} bytes`);
      const written = writeSync(this.#file, bytes);
      if (written < bytes.length) throw new Error(`only ${written} of ${bytes.length} bytes were written`);
    } catch (cause) {
      this.#cutTo(this.#end);
      const why = (cause as Error).message;
      throw new AuditError(`a record could not be written to ${this.path}: ${why}`, this.path, undefined, {
        cause,
      });
    }
    this.#end += bytes.length;
    this.#sequence++;
    this.#head = hash;
  }

  /** Continues a file: finds its last record. */
  #goOn(file: number): void {
    const { size } = fstatSync(file);
    const tail = Buffer.alloc(Math.min(size, 2 * LONGEST_LINE));
    readSync(file, tail, 0, tail.length, size - tail.length);
    const end = tail.lastIndexOf(0x0a) + 1;
    this.#end = size - tail.length + end;
    const torn = tail.length - end;
    if (end > 0) {
      const start = tail.lastIndexOf(0x0a, end - 2) + 1;
      const last = recordOf(tail.toString("utf8", start, end - 1));
      if (last === undefined) throw new AuditError(`the last record of ${this.path} is none`, this.path);
      this.#sequence = last.sequence;
      this.#head = last.hash;
    } else if (size > LONGEST_LINE) {
      throw new AuditError(`${this.path} is no audit chain`, this.path);
    }
    if (torn === 0) return;
    this.#cutTo(this.#end);
    this.append("recovered", { tornBytes: torn });
  }

  #cutTo(length: number): void {
    try {
      ftruncateSync(this.#file!, length);
    } catch {
      // What is left of the record is cut off when the chain is opened next.
    }
  }
}

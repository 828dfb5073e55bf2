import { Scratch } from "../../codec/codec.js";
import { KIND_SHIFT, PLAIN, RECORD_HEADER, type RecordKind, recordBytes } from "./record-layout.js";

/** Walks over the records that lie packed in a scratch. */
export class RecordCursor {
  // No #members: see "The straight line" in docs/architecture.md.

  /** Where the records lie. After the next `begin` it may be another one. */
  declare scratch: Scratch;
  /** The present record: where its payload begins in the scratch, the payload's length in bytes, and the record's kind. */
  at = RECORD_HEADER;
  bytes = 0;
  kind: RecordKind = PLAIN;
  /** The number of records behind the present one. */
  left = 0;
  /** The offset of the next record's header. */
  ahead = 0;

  constructor(scratch: Scratch) {
    this.scratch = scratch;
  }

  /** Begins at the first of `count` records, which stands at `at` of the scratch. Returns `count`. */
  begin(count: number, at = 0): number {
    this.left = count;
    this.ahead = at;
    return count;
  }

  /** Goes to the next record. Returns false if there is none. */
  next(): boolean {
    if (this.left === 0) return false;
    const { words } = this.scratch;
    const header = this.ahead;
    const bytes = words[header >> 2]!;
    this.left--;
    this.at = header + RECORD_HEADER;
    this.bytes = bytes;
    this.kind = (words[(header >> 2) + 1]! >>> KIND_SHIFT) as RecordKind;
    this.ahead = header + recordBytes(bytes);
    return true;
  }

  /** Goes past a record that the caller has read itself. `left` and `ahead` are those of the cursor behind that record. */
  pass(left: number, ahead: number): void {
    this.left = left;
    this.ahead = ahead;
  }

  /** Forgets the records that are left. */
  skip(): void {
    this.left = 0;
  }

  /** Returns the bytes of the records that are left, with headers and padding. */
  get leftBytes(): number {
    return this.end() - this.ahead;
  }

  /** Returns a cursor over a copy of the records that are left. This cursor has none left afterwards. */
  splitOff(): RecordCursor {
    const { buffer } = this.scratch;
    const end = this.end();
    const memory = new ArrayBuffer(end - this.ahead);
    new Uint8Array(memory).set(buffer.subarray(this.ahead, end));
    const copy = new RecordCursor(new Scratch(memory));
    copy.begin(this.left);
    this.left = 0;
    return copy;
  }

  /** Returns the offset of the end of the last record. */
  private end(): number {
    const { words } = this.scratch;
    let end = this.ahead;
    for (let i = 0; i < this.left; i++) end += recordBytes(words[end >> 2]!);
    return end;
  }
}

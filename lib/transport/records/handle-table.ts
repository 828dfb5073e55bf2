import type { Scratch } from "../../codec/codec.js";
import type { RecordCursor } from "./cursor.js";

/*
 * The table at the end of a record that comes with blocks: a handle for each, and how many there are. Little-endian.
 *
 *     0          8                8 + bytes   multiple of 8                            length + 8
 *     +----------+----------------+-----------+----------+ … +----------+-------+-------+
 *     | header   | payload        | zeros     | handle 0 |   |          | count | bytes |
 *     +----------+----------------+-----------+----------+ … +----------+-------+-------+
 *                                               24 bytes                  u32     u32
 *
 * A handle: u32 segment (or block, in a stream), u32 slot, u32 flags, u32 zero, u64 length of the block in bytes.
 */

const HANDLE = 24;
const COUNT = 8;
/** The flag of a block that belongs to the receiver, and comes home. */
export const COMES_HOME = 1;

export interface Handle {
  readonly segment: number;
  readonly slot: number;
  readonly flags: number;
  readonly bytes: number;
}

type MutableHandle = { -readonly [Key in keyof Handle]: Handle[Key] };

/** The handles of one record. One list serves all records in turn, so that nothing is allocated for each. */
export class HandleList {
  /** The first `count` are those of the present record. */
  readonly handles: readonly Handle[] = [];
  count = 0;

  add(segment: number, slot: number, flags: number, bytes: number): void {
    const handles = this.handles as MutableHandle[];
    const handle = handles[this.count++];
    if (handle === undefined) {
      handles.push({ segment, slot, flags, bytes });
      return;
    }
    handle.segment = segment;
    handle.slot = slot;
    handle.flags = flags;
    handle.bytes = bytes;
  }

  clear(): void {
    this.count = 0;
  }
}

/** Returns the bytes of a record's content with a payload of `bytes` bytes and this many handles. */
export function tabledBytes(bytes: number, handles: number): number {
  return padded(bytes) + handles * HANDLE + COUNT;
}

/**
 * Writes the first `count` handles behind the payload of `bytes` bytes that begins at `start` of the scratch.
 * Returns the bytes of the record's content.
 */
export function writeTable(
  { view, buffer }: Scratch,
  start: number,
  bytes: number,
  handles: readonly Handle[],
  count: number,
): number {
  let at = start + padded(bytes);
  // At most seven: `fill` is a call into C++.
  for (let i = start + bytes; i < at; i++) buffer[i] = 0;
  for (let i = 0; i < count; i++) {
    const { segment, slot, flags, bytes: length } = handles[i]!;
    view.setUint32(at, segment, true);
    view.setUint32(at + 4, slot, true);
    view.setUint32(at + 8, flags, true);
    view.setUint32(at + 12, 0, true);
    view.setUint32(at + 16, length % 2 ** 32, true);
    view.setUint32(at + 20, Math.floor(length / 2 ** 32), true);
    at += HANDLE;
  }
  view.setUint32(at, count, true);
  view.setUint32(at + 4, bytes, true);
  return at + COUNT - start;
}

/** Handles as they came with a record. Lengths and flags are in their ranges; the ledgers check whether they are true. */
export class ArrivedTable extends HandleList {
  /** The bytes of the record's payload. */
  bytes = 0;

  /** Reads the table of the record at the cursor, which is private memory by now. Returns what is wrong with a malformed one. */
  read({ scratch: { view }, at, bytes: length }: RecordCursor): string | undefined {
    this.clear();
    if (length < COUNT + HANDLE || length % 8 !== 0) return `malformed block table: ${length} bytes`;
    const end = at + length - COUNT;
    const count = view.getUint32(end, true);
    const bytes = view.getUint32(end + 4, true);
    // All numbers are below 2^40, so nothing can overflow.
    if (count === 0 || tabledBytes(bytes, count) !== length) {
      return `malformed block table: count ${count}, a payload of ${bytes} bytes, ${length} bytes in all`;
    }
    this.bytes = bytes;
    for (let from = end - count * HANDLE; from < end; from += HANDLE) {
      const high = view.getUint32(from + 20, true);
      const flags = view.getUint32(from + 8, true);
      const zero = view.getUint32(from + 12, true);
      // A length must be a number of at most 53 bits.
      if (high >= 2 ** 21 || flags > COMES_HOME || zero !== 0) {
        return `malformed block table: handle ${this.count} has the flags ${flags}, the reserved word ${zero} and a length of ${high} times 2^32`;
      }
      const length = high * 2 ** 32 + view.getUint32(from + 16, true);
      this.add(view.getUint32(from, true), view.getUint32(from + 4, true), flags, length);
    }
    return undefined;
  }
}

function padded(bytes: number): number {
  // No bit operations: the peer may claim 2^31 and more.
  return Math.ceil(bytes / 8) * 8;
}

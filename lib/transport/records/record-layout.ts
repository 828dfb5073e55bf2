/**
 * A record in a scratch is laid out as in a ring: 8 bytes of header (32-bit length of the payload, 16 bits that belong to the
 * transport, 16 bits of kind), the payload, and padding up to the next multiple of 8.
 */

/** The kind of a record: a message and nothing else. */
export const PLAIN = 0;
/** A message, and behind it a table of its blocks (see handle-table.ts). */
export const WITH_BLOCKS = 2;
/** A message that lies in the first of its blocks; the payload is its length there, as 64 bits, and the table follows. */
export const IN_BLOCK = 3;
export type BlocksKind = typeof WITH_BLOCKS | typeof IN_BLOCK;
export type RecordKind = typeof PLAIN | BlocksKind;

/** Bytes before the payload of a record. */
export const RECORD_HEADER = 8;
/** By how many bits the kind is shifted in the second word of the header. */
export const KIND_SHIFT = 16;

/** Bytes that a record with a payload of `bytes` takes in a scratch or a ring. */
export function recordBytes(bytes: number): number {
  return RECORD_HEADER + ((bytes + 7) & ~7);
}

/** The longest payload that a ring of `capacity` bytes carries: half of it less the header, so that it always fits once. */
export function longestPayload(capacity: number): number {
  return capacity / 2 - RECORD_HEADER;
}

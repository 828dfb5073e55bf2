/**
 * A record in a scratch takes as many bytes as in a ring: 8 bytes of header, the payload, and padding up to
 * the next multiple of 8. The header has the payload's length (32 bits), 16 bits that belong to the
 * transport, and the kind (16 bits). In a ring the bits of the header stand otherwise: native/layout.h.
 */

/** The kind of a record that is a message and nothing else. */
export const PLAIN = 0;
/** The kind of a message with a table of its blocks behind it (see handle-table.ts). */
export const WITH_BLOCKS = 2;
/** The kind of a message that lies in the first of its blocks. The payload is the message's length there, as 64 bits; the table follows. */
export const IN_BLOCK = 3;
export type BlocksKind = typeof WITH_BLOCKS | typeof IN_BLOCK;
export type RecordKind = typeof PLAIN | BlocksKind;

/** Bytes before the payload of a record. */
export const RECORD_HEADER = 8;
/** The bits by which the kind is shifted in the second word of the header. */
export const KIND_SHIFT = 16;

/** Returns the bytes that a record with a payload of `bytes` bytes takes in a scratch or a ring. */
export function recordBytes(bytes: number): number {
  return RECORD_HEADER + ((bytes + 7) & ~7);
}

/** Returns the longest payload that a ring of `capacity` bytes carries: half of it less the header, so that it always fits once. */
export function longestPayload(capacity: number): number {
  return capacity / 2 - RECORD_HEADER;
}

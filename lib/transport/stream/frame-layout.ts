/**
 * What goes over the socket of a stream transport. All numbers are little-endian, every frame is a multiple of
 * 8 bytes long, and a record stands on the socket as it stands in a scratch:
 *
 *     0        4        5        6        8
 *     +--------+--------+--------+--------+----------------+---------+
 *     | length | lane   | type   | kind   | payload        | padding |
 *     +--------+--------+--------+--------+----------------+---------+
 *       u32      u8       u8       u16      length bytes     to 8
 *
 * `kind` is that of a record (see record-layout.ts), and 0 in all other frames.
 *
 * A message with blocks is, in its lane: for each block a BLOCK frame and then CHUNK frames with its bytes, and last the record, whose kind
 * says that it has blocks. In between may stand frames of other lanes, and in the same one TAKEN, ASK and FREED.
 */

export const FRAME_HEADER = 8;
/** As many lanes as the header can tell apart. */
export const MAX_LANES = 256;

/** A message. */
export const RECORD = 1;
/** Payload u32 bytes, u32 zero: so many bytes of records (headers and padding included) have been taken since the last such frame. */
export const TAKEN = 2;
/** No payload: the other side wants a TAKEN frame as soon as everything before this frame has been taken. */
export const ASK = 3;
/** No payload, lane 0: nothing comes after this; the connection is closed on purpose. */
export const CLOSING = 4;
/** No payload, lane 0: nothing comes after this; the other side broke the protocol. */
export const REFUSED = 5;
/** Payload u64 length, u32 flags, u32 zero: a block begins, whose bytes come in CHUNK frames of this lane. */
export const BLOCK = 6;
/** So many bytes of the block that was begun in this lane last. */
export const CHUNK = 7;
/**
 * Payload u64 bytes, u64 body bytes, u32 blocks, u32 zero; lane 0: so many blocks have been released since the last such frame, with so many bytes
 * together; the body bytes are those of blocks in which a message lay.
 */
export const FREED = 8;

/** Bytes of the payload by the type of the frame; -1 where the frame says it. There is no type 0. */
export const PAYLOAD_BYTES: readonly (number | undefined)[] = [undefined, -1, 8, 0, 0, 0, 16, -1, 24];
/** The longest of these. */
export const LONGEST_PAYLOAD = 24;

/** Flags of a block: it was sealed; there are other handles of it. */
export const SEALED = 1;
export const SHARED = 2;

/** The second word of a frame's header. */
export function frameWord(type: number, lane: number, kind = 0): number {
  return lane | (type << 8) | (kind << 16);
}

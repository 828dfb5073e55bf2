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
 * `kind` is that of a record (see contract.ts), and 0 in all other frames.
 *
 * A message with blocks is, in its lane: for each block a BLOCK frame and then CHUNK frames with its bytes, and last the record,
 * whose table (see handles.ts) names these blocks in this order. Frames of other lanes may stand in between.
 */

export const FRAME_HEADER = 8;
/** As many lanes as the header can tell apart. */
export const MAX_LANES = 256;

/** A message. */
export const RECORD = 1;
/** Payload u32: so many bytes of records (headers and padding included) have been taken since the last such frame. */
export const TAKEN = 2;
/** No payload: the other side wants a TAKEN frame as soon as everything before this frame has been taken. */
export const ASK = 3;
/** No payload, lane 0: nothing comes after this; the connection is closed on purpose. */
export const CLOSING = 4;
/** No payload, lane 0: nothing comes after this; what came from the other side can't be. */
export const REFUSED = 5;

/** Payload u32 id, u32 flags, u64 length: a block begins, whose bytes come in CHUNK frames of this lane. */
export const BLOCK = 6;
/** So many bytes of the block that was begun in this lane last. */
export const CHUNK = 7;
/** Payload u32 id, lane 0: the block was released. */
export const RETURN = 8;

/** Bytes of the payloads of TAKEN, BLOCK and RETURN frames. */
export const TAKEN_PAYLOAD = 4;
export const BLOCK_PAYLOAD = 16;
export const RETURN_PAYLOAD = 4;

/** Flags of a block. The receiver made it, under this id; it comes home. */
export const HOME = 1;
/** Nobody may change it. If it comes home, its bytes don't come along: the receiver has them. */
export const SEALED = 2;
/** There are other handles of it. */
export const SHARED = 4;

/** The second word of a frame's header. */
export function frameWord(type: number, lane: number, kind = 0): number {
  return lane | (type << 8) | (kind << 16);
}

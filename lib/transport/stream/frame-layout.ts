/*
 * The frames on the socket of a stream. All numbers are little-endian. Every frame is a multiple of 8 bytes
 * long. A record stands on the socket as it stands in a scratch:
 *
 *     0        4        5        6        8
 *     +--------+--------+--------+--------+----------------+---------+
 *     | length | lane   | type   | kind   | payload        | padding |
 *     +--------+--------+--------+--------+----------------+---------+
 *       u32      u8       u8       u16      length bytes     to 8
 *
 * `kind` is the kind of a record (see record-layout.ts); it is 0 in all other frames.
 *
 * A message with blocks takes several frames of its lane: for each block a BLOCK frame and CHUNK frames with its
 * bytes, and then the RECORD frame. Frames of other lanes may stand in between, and so may TAKEN, ASK and FREED.
 */

export const FRAME_HEADER = 8;
/** The most lanes that the header can tell apart. */
export const MAX_LANES = 256;

/** A message. */
export const RECORD = 1;
/** Payload: u32 bytes, u32 zero. So many bytes of records (with headers and padding) were taken since the last TAKEN frame. */
export const TAKEN = 2;
/** No payload. The sender wants a TAKEN frame as soon as everything before this frame has been taken. */
export const ASK = 3;
/** No payload, lane 0. The last frame: the sender has closed the connection on purpose. */
export const CLOSING = 4;
/** No payload, lane 0. The last frame: the receiver has broken the protocol. */
export const REFUSED = 5;
/** Payload: u64 length, u32 flags, u32 zero. A block begins; its bytes come in CHUNK frames of this lane. */
export const BLOCK = 6;
/** The next bytes of the block that was begun in this lane. */
export const CHUNK = 7;
/**
 * Payload: u64 bytes, u64 bytes of bodies, u32 blocks, u32 zero; lane 0. So many blocks with so many bytes were
 * released since the last FREED frame. A body is a block in which a message lies.
 */
export const FREED = 8;

/** The bytes of the payload of each type, or -1 if the frame says it. Type 0 does not exist. */
export const PAYLOAD_BYTES: readonly (number | undefined)[] = [undefined, -1, 8, 0, 0, 0, 16, -1, 24];
/** The largest of PAYLOAD_BYTES. */
export const LONGEST_PAYLOAD = 24;

/** The flags of a BLOCK frame: the block is sealed; it has other handles. */
export const SEALED = 1;
export const SHARED = 2;

/** The second word of a frame's header. */
export function frameWord(type: number, lane: number, kind = 0): number {
  return lane | (type << 8) | (kind << 16);
}

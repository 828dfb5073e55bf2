/**
 * What goes over the socket of a stream transport. All numbers are little-endian, every frame is a multiple of
 * 8 bytes long, and a record stands on the socket as it stands in a scratch:
 *
 *     0        4        5        6        8
 *     +--------+--------+--------+--------+----------------+---------+
 *     | length | lane   | type   | 0      | payload        | padding |
 *     +--------+--------+--------+--------+----------------+---------+
 *       u32      u8       u8       u16      length bytes     to 8
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

/** Bytes of the payload of a TAKEN frame. */
export const TAKEN_PAYLOAD = 4;

/** The second word of a frame's header. */
export function frameWord(type: number, lane: number): number {
  return lane | (type << 8);
}

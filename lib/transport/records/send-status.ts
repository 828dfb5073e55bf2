/** The results of sending a record. */

/** The record went out. */
export const SENT = 0;
/** There was no room, or none in time; nothing was queued. */
export const FULL = 1;
/** The lane has ended; nothing goes out any more. */
export const ENDED = 2;
/** Blocks can be handed over only after memory comes back; nothing was queued. `TransportBulk.wantMemory` asks for it. */
export const NO_MEMORY = 4;
export type SendStatus = typeof SENT | typeof FULL | typeof ENDED | typeof NO_MEMORY;

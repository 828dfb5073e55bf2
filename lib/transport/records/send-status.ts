/** What can come of sending a record. */

/** The record went out. */
export const SENT = 0;
/** No room (or none in time); nothing was queued. */
export const FULL = 1;
/** The lane has ended; nothing goes out any more. */
export const ENDED = 2;
/** Blocks can't be handed over before memory comes back; nothing was queued. Ask by `TransportBulk.wantMemory`. */
export const NO_MEMORY = 4;
export type SendStatus = typeof SENT | typeof FULL | typeof ENDED | typeof NO_MEMORY;

/*
 * The inline way knows these bits of a ring without asking the addon: constants cost nothing there. `checkNumbers` (shm.ts) compares them
 * with the addon's layout.
 */

/** The indices of the words that an end shares with native code: `Layout.endWords`. */
export const POSITION = 0;
export const LIMIT = 2;
export const MESSAGES = 4;
export const BYTES_EACH = 5;
export const END_WORDS = 6;

/** In a record's first word: the bit that publishes. */
export const PUBLISHED = -0x8000_0000;
/** The state of a peer that does not sleep. */
export const AWAKE = 0;

/**
 * Whether this processor sees the loads of a thread in their order. Then a plain load does for an acquire, and, behind an `Atomics.store`,
 * which is a full barrier here, also for a sequentially consistent one. `Atomics.load` is a call in V8, and costs 5 ns more.
 */
export const ORDERED_LOADS = process.arch === "x64";

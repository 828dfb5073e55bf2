/** The limits of lanes and their rings. */

/** The smallest ring, in bytes. */
export const SMALLEST_CAPACITY = 4 * 1024;
/** The largest ring, in bytes. */
export const LARGEST_CAPACITY = 1024 * 1024 * 1024;
/** A ring's bytes unless an option says otherwise. */
export const DEFAULT_CAPACITY = 256 * 1024;
/** The most lanes of a connection, `main` included. */
export const MOST_LANES = 16;
/** The lane that every connection has, at index 0. */
export const MAIN_LANE = "main";

/** Bytes that the blocks of one side may take unless an option says otherwise. */
export const DEFAULT_BULK_BYTES = 1024 * 1024 * 1024;
/** The most that they may take, in bytes: 1 TiB. */
export const LARGEST_BULK_BYTES = 2 ** 40;

/** Whether a ring can have that many bytes: a power of two within the limits. */
export function isCapacity(bytes: unknown): bytes is number {
  return (
    typeof bytes === "number" &&
    Number.isInteger(bytes) &&
    bytes >= SMALLEST_CAPACITY &&
    bytes <= LARGEST_CAPACITY &&
    (bytes & (bytes - 1)) === 0
  );
}

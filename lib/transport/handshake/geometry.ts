/** The limits of lanes and their rings. */

/** The smallest ring, in bytes. */
export const SMALLEST_CAPACITY = 4 * 1024;
/** The largest ring, in bytes. */
export const LARGEST_CAPACITY = 1024 * 1024 * 1024;
/** The bytes of a ring, unless an option says otherwise. */
export const DEFAULT_CAPACITY = 256 * 1024;
/** The most lanes of a connection, `main` included. */
export const MOST_LANES = 16;
/** The lane that every connection has, at index 0. */
export const MAIN_LANE = "main";

/** The most bytes that the blocks of one side may take, unless an option says otherwise. */
export const DEFAULT_BULK_BYTES = 1024 * 1024 * 1024;
/** The largest value of that option, in bytes: 1 TiB. */
export const LARGEST_BULK_BYTES = 2 ** 40;

/** Returns whether a ring may have this many bytes: a power of two within the limits. */
export function isCapacity(bytes: unknown): bytes is number {
  return (
    typeof bytes === "number" &&
    Number.isInteger(bytes) &&
    bytes >= SMALLEST_CAPACITY &&
    bytes <= LARGEST_CAPACITY &&
    (bytes & (bytes - 1)) === 0
  );
}

/** Bytes of each ring of the lane of the blocks, which every connection in shared memory has beside those that were asked for. */
export const BULK_CAPACITY = 16 * 1024;

/** The rings of a connection in shared memory, in the order of their lanes. */
export function ringCapacities(lanes: readonly { readonly capacity: number }[]): number[] {
  return [...lanes.map(({ capacity }) => capacity), BULK_CAPACITY];
}

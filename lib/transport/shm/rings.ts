/** The bytes of each ring of the bulk lane. A connection in shared memory has that lane besides those that were asked for. */
export const BULK_CAPACITY = 16 * 1024;

/** Returns the capacities of the rings of a connection in shared memory, in the order of their lanes. */
export function ringCapacities(lanes: readonly { readonly capacity: number }[]): number[] {
  return [...lanes.map(({ capacity }) => capacity), BULK_CAPACITY];
}

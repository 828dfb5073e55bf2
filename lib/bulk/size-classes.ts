import { constants } from "node:buffer";

/** A block begins at a multiple of this many bytes, a cache line. */
export const ALIGNMENT = 64;
/** A segment's length is a multiple of this many bytes: the largest page of the platforms that we know. */
export const PAGE = 16 * 1024;
/** The longest block in bytes: the longest typed array of this version of Node. */
export const LONGEST_BLOCK = constants.MAX_LENGTH;

/**
 * The most segments that a side may announce to the other at a time. Each is a mapping, and a process has a
 * limited number of mappings: 65 530 on Linux, unless vm.max_map_count says otherwise. A process that has
 * used them up can't go on.
 */
export const MOST_SEGMENTS = 8192;

/** A block above this many bytes has a segment of its own. */
export const LARGE = 256 * 1024;

const SMALLEST_SLAB = 64 * 1024;
const LARGEST_SLAB = 4 * 1024 * 1024;

/**
 * Returns the slot's length for a block of `bytes` bytes. Up to 512 bytes these are the multiples of 64.
 * Above that there are eight sizes between a power of two and the next, so that less than an eighth of a slot
 * is unused. The scheme is that of jemalloc's size classes, with twice as many.
 */
export function slotBytesFor(bytes: number): number {
  if (bytes <= 512) return Math.max(ALIGNMENT, roundUp(bytes, ALIGNMENT));
  // `power` is the largest power of two below `bytes`; doubles hold it exactly.
  const power = 2 ** (Math.ceil(Math.log2(bytes)) - 1);
  return roundUp(bytes, power / 8);
}

/** Returns how many slots the next segment of a class gets, after `before` others. The first is small, and each next one twice as large. */
export function slotsOfNext(slotBytes: number, before: number): number {
  if (slotBytes > LARGE) return 1;
  const first = Math.max(1, Math.floor(SMALLEST_SLAB / slotBytes));
  const most = Math.floor(LARGEST_SLAB / slotBytes);
  return Math.min(most, first * 2 ** Math.min(before, 16));
}

/** Returns the length of a segment with this many slots. */
export function segmentBytes(slotBytes: number, slots: number): number {
  return roundUp(slotBytes * slots, PAGE);
}

export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

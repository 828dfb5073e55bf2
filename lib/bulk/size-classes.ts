import { constants } from "node:buffer";

/** Every block begins at a multiple of this many bytes, a cache line. */
export const ALIGNMENT = 64;
/** Segments are multiples of this many bytes: the largest page of the platforms that we know. */
export const PAGE = 16 * 1024;
/** The longest block in bytes: what a typed array can have. */
export const LONGEST_BLOCK = constants.MAX_LENGTH;

/**
 * The most segments that a side may tell the other of at a time. Each is a mapping, and a process that has no more of those (65 530 on
 * Linux unless vm.max_map_count says otherwise) can't go on.
 */
export const MOST_SEGMENTS = 8192;

/** Blocks above this many bytes have a segment of their own. */
export const LARGE = 256 * 1024;

const SMALLEST_SLAB = 64 * 1024;
const LARGEST_SLAB = 4 * 1024 * 1024;

/**
 * The slot that a block of `bytes` bytes gets: eight sizes between a power of two and the next, so that less than an
 * eighth of it is unused; up to 512 bytes the multiples of 64. The scheme is that of jemalloc's size classes, with twice as many.
 */
export function slotBytesFor(bytes: number): number {
  if (bytes <= 512) return Math.max(ALIGNMENT, roundUp(bytes, ALIGNMENT));
  // The largest power of two below `bytes`; doubles carry it exactly.
  const power = 2 ** (Math.ceil(Math.log2(bytes)) - 1);
  return roundUp(bytes, power / 8);
}

/** How many slots the next segment of a class gets, after `before` others: small at first, then twice as large each. */
export function slotsOfNext(slotBytes: number, before: number): number {
  if (slotBytes > LARGE) return 1;
  const first = Math.max(1, Math.floor(SMALLEST_SLAB / slotBytes));
  const most = Math.floor(LARGEST_SLAB / slotBytes);
  return Math.min(most, first * 2 ** Math.min(before, 16));
}

/** The length of a segment with so many slots. */
export function segmentBytes(slotBytes: number, slots: number): number {
  return roundUp(slotBytes * slots, PAGE);
}

export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

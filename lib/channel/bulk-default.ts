import { controlGroup } from "../control-group.js";
import { DEFAULT_BULK_BYTES } from "../transport/handshake/geometry.js";

/**
 * The part of a container's memory limit that the blocks of one side may take without being told. At that limit the kernel kills. The two
 * sides of a channel often are in one container, and need memory for other things as well.
 */
const PART = 1 / 4;
const PAGE = 4096;

let known: number | undefined;

/** Returns the default of `maxBulkBytes`, found once a process: 1 GiB, or less where a container's memory limit is below 4 GiB. */
export function defaultBulkBytes(): number {
  known ??= bulkBytesUnder(controlGroup().memoryLimit);
  return known;
}

/** Returns the default of `maxBulkBytes` under a memory limit. */
export function bulkBytesUnder(memoryLimit: number | undefined): number {
  if (memoryLimit === undefined) return DEFAULT_BULK_BYTES;
  return Math.min(DEFAULT_BULK_BYTES, Math.floor((memoryLimit * PART) / PAGE) * PAGE);
}

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** A byte that `fill` is never asked for. */
const ABSENT = 255;
/** How often memory is touched to have all of it: no system has smaller pages. */
const PAGE = 4 * KIB;

/** What the i-th filling puts everywhere. @param {number} i */
export function filling(i) {
  return i % ABSENT;
}

/**
 * Writes every byte, as fast as memory takes it.
 * @param {Uint8Array} bytes
 * @param {number} i
 */
export function fill(bytes, i) {
  bytes.fill(filling(i));
}

/**
 * Reads every byte, as fast as memory gives it: looks for one that is not there. Throws unless the i-th filling is.
 * @param {Uint8Array} bytes
 * @param {number} i
 */
export function readThrough(bytes, i) {
  const found = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(ABSENT);
  if (found !== -1) throw new Error(`byte ${found} was never written`);
  expectByte(bytes, 0, i);
  expectByte(bytes, bytes.length - 1, i);
}

/**
 * Writes a little, into each page.
 * @param {Uint8Array} bytes
 * @param {number} i
 */
export function touch(bytes, i) {
  const value = filling(i);
  for (let at = 0; at < bytes.length; at += PAGE) bytes[at] = value;
}

/**
 * Reads what `touch` wrote. Throws unless it is there.
 * @param {Uint8Array} bytes
 * @param {number} i
 */
export function expectTouched(bytes, i) {
  for (let at = 0; at < bytes.length; at += PAGE) expectByte(bytes, at, i);
}

/**
 * @param {Uint8Array} bytes
 * @param {number} at
 * @param {number} i
 */
export function expectByte(bytes, at, i) {
  if (bytes[at] !== filling(i)) throw new Error(`byte ${at} is ${bytes[at]} instead of ${filling(i)}`);
}

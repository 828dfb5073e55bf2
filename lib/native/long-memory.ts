import type { Binding } from "./binding.js";
import { loadBinding } from "./load.js";

/** From this length (bytes) on the C library may give freed memory back to the system at once; getting it again is slow. */
const LONG = 64 * 1024;
/** From this length (bytes) on glibc maps and unmaps each piece of memory, with any thresholds. */
const OWN_MAPPING = 32 * 1024 * 1024;

let asked = false;
let binding: Pick<Binding, "adviseHugePages"> | undefined;

/** Returns `length` bytes that were not cleared, in an ArrayBuffer of their own. The caller must write to all of them at once. */
export function unclearedBytes(length: number): Uint8Array<ArrayBuffer> {
  if (length >= LONG && !asked) prepare();
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
  if (length >= OWN_MAPPING) binding?.adviseHugePages(bytes);
  return bytes;
}

function prepare(): void {
  asked = true;
  try {
    const loaded = loadBinding();
    loaded.keepFreedMemory();
    binding = loaded;
  } catch {
    // Without the addon, long memory stays slow.
  }
}

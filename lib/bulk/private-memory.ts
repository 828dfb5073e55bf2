import { markAsUntransferable } from "node:worker_threads";
import { NoSpaceError } from "../errors.js";

/** Memory of this process alone. */
export type PrivateBytes = Uint8Array<ArrayBuffer>;

/**
 * The offset of a block in its buffer: a multiple of 64, so that any typed array fits. V8 decides the
 * buffer's address, and gives multiples of 16 at least. The offset is not 0, so that a program that forgets
 * `byteOffset` fails here as it does in shared memory.
 */
const OFFSET = 64;
/** Lengths are rounded up to a multiple of this, so that blocks of nearly the same length use the same memory. */
const GRAIN = 64;
/**
 * KEPT_BYTES: the most unused memory that is kept, in bytes, for all lengths together. IDLE: how long (ms) it
 * is kept while none of it is used.
 */
const KEPT_BYTES = 128 * 1024 * 1024;
const IDLE = 2500;

/** Memory for the blocks of one connection. It is kept for the next block of the same length. */
export class PrivateMemory {
  /** Whether the buffer of a block is detached when the block is sent or released. */
  readonly checked: boolean;
  /** Buffers that no block uses, by their length. */
  readonly #kept = new Map<number, ArrayBuffer[]>();
  keptBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Whether any kept memory was used since the timer was started. */
  #used = false;
  #closed = false;

  constructor(checked: boolean) {
    this.checked = checked;
  }

  /** Returns `length` bytes: zeros, or what an earlier block left there. Throws a NoSpaceError. */
  take(length: number): PrivateBytes {
    const size = OFFSET + Math.ceil(length / GRAIN) * GRAIN;
    const kept = this.#kept.get(size);
    const buffer = kept?.pop();
    if (buffer === undefined) return new Uint8Array(this.#make(size, length), OFFSET, length);
    if (kept!.length === 0) this.#kept.delete(size);
    this.keptBytes -= size;
    this.#used = true;
    return new Uint8Array(buffer, OFFSET, length);
  }

  /** Takes back bytes that no block uses any more. */
  give(bytes: PrivateBytes): void {
    const { buffer } = bytes;
    const size = buffer.byteLength;
    // The length is 0 if a program has transferred the buffer.
    if (size === 0) return;
    if (this.checked) transferred(buffer);
    if (this.checked || this.#closed || size > KEPT_BYTES) return;
    // All kept memory is forgotten: lengths that are in use come back soon, and the others are gone.
    if (this.keptBytes + size > KEPT_BYTES) this.#forget();
    const kept = this.#kept.get(size);
    if (kept === undefined) this.#kept.set(size, [buffer]);
    else kept.push(buffer);
    this.keptBytes += size;
    this.#timer ??= setTimeout(() => this.#lookWhetherIdle(), IDLE).unref();
  }

  /** Returns the same bytes for the next owner. In checked mode the old views have the length 0 from now on. */
  handOver(bytes: PrivateBytes): PrivateBytes {
    const { byteOffset, length } = bytes;
    if (!this.checked) return new Uint8Array(bytes.buffer, byteOffset, length);
    return new Uint8Array(transferred(bytes.buffer), byteOffset, length);
  }

  /** Frees the kept memory, and keeps none from now on. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#forget();
  }

  #lookWhetherIdle(): void {
    this.#timer = undefined;
    if (!this.#used) this.#forget();
    else if (this.keptBytes > 0) this.#timer = setTimeout(() => this.#lookWhetherIdle(), IDLE).unref();
    this.#used = false;
  }

  #forget(): void {
    this.#kept.clear();
    this.keptBytes = 0;
  }

  #make(size: number, length: number): ArrayBuffer {
    try {
      const buffer = new ArrayBuffer(size);
      this.#protect(buffer);
      return buffer;
    } catch (cause) {
      throw new NoSpaceError(`no memory for a block of ${length} bytes`, length, { cause });
    }
  }

  /** Prevents a program from transferring a block's buffer by accident. In checked mode the library itself transfers it. */
  #protect(buffer: ArrayBuffer): void {
    if (!this.checked) markAsUntransferable(buffer);
  }
}

/** Returns the memory in a new buffer; the old one is detached. */
function transferred(buffer: ArrayBuffer): ArrayBuffer {
  return structuredClone(buffer, { transfer: [buffer] });
}

import { markAsUntransferable } from "node:worker_threads";
import { NoSpaceError } from "../errors.js";

/** Memory of this process alone. */
export type PrivateBytes = Uint8Array<ArrayBuffer>;

/**
 * Where a block begins in its buffer: a multiple of 64, so that any typed array fits. The address is not in our hands; V8 gives
 * multiples of 16 at least. Not 0, so that a program that forgets `byteOffset` fails here as it does in shared memory.
 */
const OFFSET = 64;
/** Lengths are rounded up to this, so that blocks of nearly the same length use the same memory. */
const GRAIN = 64;
/** Memory that no block uses is kept up to this, in bytes, for all lengths together; and for how long (ms) where none is used. */
const KEPT_BYTES = 128 * 1024 * 1024;
const IDLE = 2500;

/** Memory for the blocks of one connection, kept for the next block of the same length. */
export class PrivateMemory {
  /** Whether the buffer of a block is really taken away when the block is sent or released. */
  readonly checked: boolean;
  /** Buffers that no block uses, by their length. */
  readonly #kept = new Map<number, ArrayBuffer[]>();
  keptBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Whether any was taken since the timer was started. */
  #used = false;
  #closed = false;

  constructor(checked: boolean) {
    this.checked = checked;
  }

  /** `length` bytes: zeros, or what an earlier block left there. Throws a NoSpaceError. */
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

  /** No block uses them any more. */
  give(bytes: PrivateBytes): void {
    const { buffer } = bytes;
    const size = buffer.byteLength;
    // A program can have transferred it to elsewhere.
    if (size === 0) return;
    if (this.checked) transferred(buffer);
    if (this.checked || this.#closed || size > KEPT_BYTES) return;
    // Lengths that are in use come again soon; those that are not are forgotten this way.
    if (this.keptBytes + size > KEPT_BYTES) this.#forget();
    const kept = this.#kept.get(size);
    if (kept === undefined) this.#kept.set(size, [buffer]);
    else kept.push(buffer);
    this.keptBytes += size;
    this.#timer ??= setTimeout(() => this.#lookWhetherIdle(), IDLE).unref();
  }

  /** The same bytes for somebody else: checked, old views have the length 0 from now on. */
  handOver(bytes: PrivateBytes): PrivateBytes {
    const { byteOffset, length } = bytes;
    if (!this.checked) return new Uint8Array(bytes.buffer, byteOffset, length);
    return new Uint8Array(transferred(bytes.buffer), byteOffset, length);
  }

  /** Keeps nothing from now on. */
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

  /** Nobody transfers a block's buffer by accident; unless we must be able to. */
  #protect(buffer: ArrayBuffer): void {
    if (!this.checked) markAsUntransferable(buffer);
  }
}

/** The memory in a new buffer; the old one is detached. */
function transferred(buffer: ArrayBuffer): ArrayBuffer {
  return structuredClone(buffer, { transfer: [buffer] });
}

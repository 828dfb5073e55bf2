import type { SharedMemory } from "./shared-memory.js";

/**
 * Memory in somebody's hands: what stands behind a Block. Each block is a new object, so that one that was sent or released
 * stays so; its lease is kept with the memory and reused, because making one (a view, an entry with the garbage collector) costs more.
 */
export interface Lease {
  /** The memory, exactly as long as the block. */
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly sealed: boolean;
  readonly shared: boolean;
  /** The account that the memory stands in: a connection knows its own, and tells by it how a block goes over it. */
  readonly ledger: object;
  /** The shared memory that a connection can show to its peer, whichever connection it came from; undefined for all other memory. */
  readonly memory: SharedMemory | undefined;
  /** Gives the memory back; the lease is not the block's any more. */
  release(): void;
  /** `count` leases of the same memory in place of this one. Throws a BlockError for a block that was received. */
  share(count: number): Lease[];
  /** An immutable one in place of this one. Throws a BlockError for a block that was received or is shared, and where there are no sealed files. */
  seal(): Lease;
}

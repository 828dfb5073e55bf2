import type { SharedMemory } from "./shared-memory.js";

/**
 * The memory behind a Block. Every hand-over makes a new Block, so that one that was sent or released stays
 * so. The lease stays with the memory and is reused, because making one (a view, an entry with the garbage
 * collector) costs more.
 */
export interface Lease {
  /** The memory, exactly as long as the block. */
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly sealed: boolean;
  readonly shared: boolean;
  /** The ledger that has the memory. A connection knows its own ledgers, and decides by them how to send a block. */
  readonly ledger: object;
  /** The shared memory, which a connection can show to its peer even if another connection made it. Undefined for all other memory. */
  readonly memory: SharedMemory | undefined;
  /** Gives the memory back. The block must not use the lease any more. */
  release(): void;
  /** Returns `count` leases of the same memory in place of this one. Throws a BlockError for a block that was received. */
  share(count: number): Lease[];
  /**
   * Returns an immutable lease in place of this one. Throws a BlockError for a block that was received or is
   * shared, and on a platform without sealed files.
   */
  seal(): Lease;
}

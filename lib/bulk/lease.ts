/**
 * Memory in somebody's hands: what stands behind a Block. Blocks are made anew each time, so that one that was sent or released
 * stays so; leases are kept with their memory and used again, for making one (a view, an entry with the garbage collector) costs more.
 */
export interface Lease {
  /** The memory, exactly as long as the block. */
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly sealed: boolean;
  readonly shared: boolean;
  /** Gives the memory back; the lease is not the block's any more. */
  release(): void;
  /** `count` leases of the same memory in place of this one. Throws a BlockError for a block that was received. */
  share(count: number): Lease[];
  /** An immutable one in place of this one. Throws a BlockError for a block that was received or is shared, and where there are no sealed files. */
  seal(): Lease;
}

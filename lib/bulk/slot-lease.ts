import type { Lease } from "./lease.js";
import type { Mapping } from "./mapping.js";
import { SegmentLease } from "./segment-lease.js";

/** The slots of one size. */
export interface SizeClass {
  readonly slotBytes: number;
  /** Free leases, the last used one on top: its memory is the most likely to be in the cache. */
  readonly free: SlotLease[];
  /** The number of this class's segments that exist. */
  segments: number;
  /** Segments with slots that were never used. */
  readonly fresh: PoolSegment[];
}

/** The state of a slot in the ledger: free, in the hands of this process, or in the hands of the peer. */
export const FREE = 0;
export const OWN = 1;
export const LENT = 2;

/** A segment of this side, and the ledger of its slots. */
export interface PoolSegment {
  readonly id: number;
  readonly mapping: Mapping;
  readonly sizeClass: SizeClass;
  readonly slotBytes: number;
  readonly slots: number;
  /** The state of each slot: FREE, OWN or LENT. */
  readonly states: Uint8Array;
  /**
   * The leases of lent slots. Leases of free slots are in the size class. A lease of our own slot is referred
   * to by its block alone, so that it can be garbage-collected.
   */
  readonly leases: (SlotLease | undefined)[];
  /** The number of slots, from the first on, that have or had a lease. */
  touched: number;
  /** The number of slots that are not free. */
  used: number;
  /** Whether the peer knows the segment. */
  announced: boolean;
  /** The period in which its last slot became free. */
  freeSince: number;
}

/** The ledger that has the slot. */
export interface SlotLedger {
  release(lease: SlotLease): void;
  /** Called when the lease of the slot was collected while a block had it. */
  lost(segment: PoolSegment, slot: number): void;
  share(lease: SlotLease, count: number): Lease[];
  seal(lease: SlotLease): Lease;
}

/** A lease of a slot of our own memory. */
export class SlotLease extends SegmentLease<PoolSegment> implements Lease {
  readonly ledger: SlotLedger;
  readonly memory = undefined;
  /** Whether the block was sent because a long message lies in it. */
  long = false;
  readonly sealed = false;
  readonly shared = false;

  constructor(ledger: SlotLedger, segment: PoolSegment, slot: number) {
    super(segment, slot, "allocated", () => ledger.lost(segment, slot));
    this.ledger = ledger;
  }

  release(): void {
    this.ledger.release(this);
  }

  share(count: number): Lease[] {
    return this.ledger.share(this, count);
  }

  seal(): Lease {
    return this.ledger.seal(this);
  }
}

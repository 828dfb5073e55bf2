import type { Lease } from "./lease.js";
import type { Mapping } from "./mapping.js";
import { SegmentLease } from "./segment-lease.js";

/** Slots of one size. */
export interface SizeClass {
  readonly slotBytes: number;
  /** Free leases, the one used last on top: its memory is the most likely to be in the cache. */
  readonly free: SlotLease[];
  /** Segments made so far that still are there. */
  segments: number;
  /** Segments with slots that were never used. */
  readonly fresh: PoolSegment[];
}

/** What the ledger says of a slot: free, in the hands of this process, or in the hands of the peer. */
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
  /** FREE, OWN or LENT, a slot. */
  readonly states: Uint8Array;
  /** The leases of lent slots. Those of free ones are in the size class; those of our own have their blocks, and nothing else. */
  readonly leases: (SlotLease | undefined)[];
  /** Slots, from the first on, that have or had a lease. */
  touched: number;
  /** Slots that are not free. */
  used: number;
  /** Whether the peer knows it. */
  announced: boolean;
  /** In which period its last slot became free. */
  freeSince: number;
}

/** The ledger that a slot stands in. */
export interface SlotLedger {
  release(lease: SlotLease): void;
  /** The lease of the slot was collected while a block had it. */
  lost(segment: PoolSegment, slot: number): void;
  share(lease: SlotLease, count: number): Lease[];
  seal(lease: SlotLease): Lease;
}

/** A block in a slot of our own memory. */
export class SlotLease extends SegmentLease<PoolSegment> implements Lease {
  readonly ledger: SlotLedger;
  readonly memory = undefined;
  /** Whether it was sent for the message that lies in it. */
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

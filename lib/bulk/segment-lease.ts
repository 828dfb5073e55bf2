import { type Tenancy, tieToView, tracePlace, unwatchLease, watchLease } from "./lost.js";
import type { Mapping } from "./mapping.js";

/** The view of a lease that has no block. */
const NOTHING = new Uint8Array(0);

/** A lease of a slot of a segment, either this side's or the peer's. */
export abstract class SegmentLease<
  Segment extends { readonly mapping: Mapping; readonly slotBytes: number },
> {
  readonly segment: Segment;
  readonly slot: number;
  length = -1;
  #view: Uint8Array = NOTHING;
  readonly #tenancy: Tenancy;

  /** `lost` is called when the lease was collected while a block had it. It must not refer to the lease. */
  constructor(segment: Segment, slot: number, kind: Tenancy["kind"], lost: () => void) {
    this.segment = segment;
    this.slot = slot;
    this.#tenancy = { lost, held: false, bytes: 0, kind, place: undefined };
    watchLease(this, this.#tenancy);
  }

  /**
   * The memory of the block. A view that has lost its memory is replaced: a program has taken the buffer, and
   * with it the views of all blocks of the segment.
   */
  get bytes(): Uint8Array {
    if (this.#view.length !== this.length) this.#look();
    return this.#view;
  }

  /** Begins a block of `bytes` bytes. The last block's view is reused if it has the same length. */
  handOut(bytes: number): void {
    if (this.length !== bytes || this.#view === NOTHING) {
      this.length = bytes;
      this.#tenancy.bytes = bytes;
      this.#look();
    }
    this.#tenancy.place = tracePlace();
    this.#tenancy.held = true;
  }

  /** Ends the block. */
  withdraw(): void {
    this.#tenancy.held = false;
    // `length` stays: the peer may send the block home.
    if (this.segment.mapping.revoke(this.#view)) this.#view = NOTHING;
  }

  /** Called when the connection has ended and no block has the lease. */
  unwatch(): void {
    unwatchLease(this.#tenancy);
  }

  #look(): void {
    this.#view = this.segment.mapping.view(this.slot * this.segment.slotBytes, this.length);
    tieToView(this.#view, this);
  }
}

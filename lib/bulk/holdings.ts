import { BlockError } from "../errors.js";
import type { Binding, Segment } from "../native/binding.js";
import type { Lease } from "./lease.js";
import { Mapping } from "./mapping.js";
import { SegmentLease } from "./segment-lease.js";
import { ALIGNMENT, MOST_SEGMENTS, segmentBytes } from "./size-classes.js";

/** A segment as the peer announces it; nothing of it is believed. */
export interface Announcement {
  readonly id: number;
  readonly slots: number;
  readonly slotBytes: number;
  readonly sealed: boolean;
  /** Whether this side may hold a slot several times. */
  readonly shared: boolean;
}

/** A segment of the peer that is mapped here. */
interface HeldSegment extends Announcement {
  readonly mapping: Mapping;
  /** How often each slot is held. */
  readonly holders: Uint32Array;
  /** Leases of slots that are not held, for the next time. */
  readonly leases: (HeldLease | undefined)[];
  /** Slots held, each as often as it is. */
  held: number;
}

/** As many slots as a segment may have: more than anyone needs. */
const MOST_SLOTS = 1 << 20;

/**
 * What this side holds of the peer's blocks. What the peer says is checked against it: where a block may lie, and that it is
 * not handed out twice.
 */
export class Holdings {
  /** Blocks of the peer in the hands of this process. */
  held = 0;
  /** Bytes of the peer's memory that are mapped. */
  mappedBytes = 0;
  readonly #limit: number;
  readonly #checked: boolean;
  readonly #detach: Binding["detach"];
  readonly #giveBack: (id: number, slot: number, shared: boolean) => void;
  readonly #segments = new Map<number, HeldSegment>();
  #ended = false;

  /** `giveBack`: tells the peer that a slot is not held any more; not called after `end`. */
  constructor(
    limit: number,
    checked: boolean,
    detach: Binding["detach"],
    giveBack: (id: number, slot: number, shared: boolean) => void,
  ) {
    this.#limit = limit;
    this.#checked = checked;
    this.#detach = detach;
    this.#giveBack = giveBack;
  }

  /** What is wrong with the announcement, in words; undefined if nothing is. */
  refuses({ id, slots, slotBytes, shared, sealed }: Announcement): string | undefined {
    if (this.#segments.has(id)) return `segment ${id} was announced twice`;
    if (this.#segments.size >= MOST_SEGMENTS) return `more than ${MOST_SEGMENTS} segments were announced`;
    const mostSlots = shared || sealed ? 1 : MOST_SLOTS;
    if (slots < 1 || slots > mostSlots) {
      return `segment ${id} was announced with ${slots} slots; expected 1 to ${mostSlots}`;
    }
    if (
      !Number.isSafeInteger(slotBytes) ||
      slotBytes < ALIGNMENT ||
      slotBytes % ALIGNMENT !== 0 ||
      slotBytes > this.#limit
    ) {
      return `segment ${id} was announced with slots of ${slotBytes} bytes; expected a multiple of ${ALIGNMENT} up to ${this.#limit}`;
    }
    const bytes = this.mappedBytes + segmentBytes(slotBytes, slots);
    if (bytes > this.#limit) return `segments of ${bytes} bytes were announced; ${this.#limit} were agreed`;
    return undefined;
  }

  /** The length of its segment. */
  bytesOf({ slotBytes, slots }: Announcement): number {
    return segmentBytes(slotBytes, slots);
  }

  /** A segment that was announced, not refused, and mapped. */
  add(announcement: Announcement, segment: Segment): void {
    const { id, slots } = announcement;
    this.#segments.set(id, {
      ...announcement,
      mapping: new Mapping(segment, this.#detach, this.#checked),
      holders: new Uint32Array(slots),
      leases: new Array<HeldLease | undefined>(slots).fill(undefined),
      held: 0,
    });
    this.mappedBytes += segment.bytes;
  }

  has(id: number): boolean {
    return this.#segments.has(id);
  }

  /** The peer hands over a block. Undefined if it names no slot that it may hand over, or more bytes than the slot has. */
  take(id: number, slot: number, bytes: number): HeldLease | undefined {
    const segment = this.#segments.get(id);
    const holders = segment?.holders[slot];
    if (segment === undefined || holders === undefined || bytes > segment.slotBytes) return undefined;
    if (holders > 0 && !segment.shared) return undefined;
    segment.holders[slot] = holders + 1;
    segment.held++;
    this.held++;
    let lease = segment.leases[slot];
    if (lease === undefined) lease = new HeldLease(this, segment, slot);
    else segment.leases[slot] = undefined;
    lease.handOut(bytes);
    return lease;
  }

  /** This side does not need it any more. */
  release(lease: HeldLease): void {
    this.sentHome(lease);
    if (!this.#ended) this.#giveBack(lease.segment.id, lease.slot, lease.segment.shared);
  }

  /** It went back to the peer in a message. */
  sentHome(lease: HeldLease): void {
    lease.withdraw();
    if (!this.#ended) lease.segment.leases[lease.slot] = lease;
    this.#letGo(lease.segment, lease.slot);
  }

  lost(segment: HeldSegment, slot: number): void {
    this.#letGo(segment, slot);
    if (!this.#ended) this.#giveBack(segment.id, slot, segment.shared);
  }

  /** The peer takes a segment away. False if there is no such segment, or something of it is held here. */
  retire(id: number): boolean {
    const segment = this.#segments.get(id);
    if (segment === undefined || segment.held > 0) return false;
    this.#close(segment);
    return true;
  }

  /** The connection is over: each segment goes when nothing of it is held any more. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const segment of this.#segments.values()) if (segment.held === 0) this.#close(segment);
  }

  #letGo(segment: HeldSegment, slot: number): void {
    segment.holders[slot]!--;
    segment.held--;
    this.held--;
    // What this side has written is its own affair, and not to be found there the next time.
    if (segment.sealed && segment.held === 0) segment.mapping.segment.discard();
    if (this.#ended && segment.held === 0) this.#close(segment);
  }

  #close(segment: HeldSegment): void {
    this.#segments.delete(segment.id);
    this.mappedBytes -= segment.mapping.bytes;
    segment.mapping.close();
  }
}

/** A block of the peer's. */
export class HeldLease extends SegmentLease<HeldSegment> implements Lease {
  readonly ledger: Holdings;
  readonly memory = undefined;

  constructor(holdings: Holdings, segment: HeldSegment, slot: number) {
    super(segment, slot, "received", () => holdings.lost(segment, slot));
    this.ledger = holdings;
  }

  get sealed(): boolean {
    return this.segment.sealed;
  }

  get shared(): boolean {
    return this.segment.shared;
  }

  release(): void {
    this.ledger.release(this);
  }

  share(): never {
    throw new BlockError("only its sender can share a block that was received; copy it into one of your own");
  }

  seal(): never {
    throw new BlockError("only its sender can seal a block that was received; copy it into one of your own");
  }
}

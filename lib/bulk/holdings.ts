import { BlockError } from "../errors.js";
import type { Segment } from "../native/binding.js";
import type { Lease } from "./lease.js";
import { Mapping } from "./mapping.js";
import { SegmentLease } from "./segment-lease.js";
import { ALIGNMENT, MOST_SEGMENTS, segmentBytes } from "./size-classes.js";

/** A segment as the peer announces it. Every field is checked before it is used. */
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
  /** The number of holders of each slot. */
  readonly holders: Uint32Array;
  /** Leases of slots that are not held, kept for the next time. */
  readonly leases: (HeldLease | undefined)[];
  /** The sum of all slots' holders. */
  held: number;
}

/** The most slots that a segment may have, far more than any has. */
const MOST_SLOTS = 1 << 20;

/**
 * The peer's blocks that this side holds. Claims of the peer are checked against it: where a block may lie,
 * and that no block is handed out twice.
 */
export class Holdings {
  /** The peer's blocks in the hands of this process. */
  held = 0;
  /** The bytes of the peer's memory that are mapped here. */
  mappedBytes = 0;
  readonly #limit: number;
  readonly #checked: boolean;
  #giveBack: (id: number, slot: number, shared: boolean) => void;
  readonly #segments = new Map<number, HeldSegment>();
  #ended = false;

  /** `giveBack` tells the peer that a slot is not held any more. It is not called after `end`. */
  constructor(
    limit: number,
    checked: boolean,
    giveBack: (id: number, slot: number, shared: boolean) => void,
  ) {
    this.#limit = limit;
    this.#checked = checked;
    this.#giveBack = giveBack;
  }

  /** Returns what is wrong with the announcement, in words; undefined if nothing is. */
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

  /** Returns the length of the announced segment. */
  bytesOf({ slotBytes, slots }: Announcement): number {
    return segmentBytes(slotBytes, slots);
  }

  /** Adds a segment that was announced, not refused, and mapped. */
  add(announcement: Announcement, segment: Segment): void {
    const { id, slots } = announcement;
    this.#segments.set(id, {
      ...announcement,
      mapping: new Mapping(segment, this.#checked),
      holders: new Uint32Array(slots),
      leases: new Array<HeldLease | undefined>(slots).fill(undefined),
      held: 0,
    });
    this.mappedBytes += segment.bytes;
  }

  has(id: number): boolean {
    return this.#segments.has(id);
  }

  /**
   * Takes a block that the peer hands over. Returns undefined if the peer may not hand over that slot, or
   * names more bytes than the slot has.
   */
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

  /** Gives a block that this side no longer needs back to the peer. */
  release(lease: HeldLease): void {
    this.sentHome(lease);
    if (!this.#ended) this.#giveBack(lease.segment.id, lease.slot, lease.segment.shared);
  }

  /** Notes that a block went back to the peer in a message. */
  sentHome(lease: HeldLease): void {
    lease.withdraw();
    if (this.#ended) lease.unwatch();
    else lease.segment.leases[lease.slot] = lease;
    this.#letGo(lease.segment, lease.slot);
  }

  lost(segment: HeldSegment, slot: number): void {
    this.#letGo(segment, slot);
    if (!this.#ended) this.#giveBack(segment.id, slot, segment.shared);
  }

  /** Removes a segment that the peer takes away. Returns false if there is no such segment, or if a slot of it is held here. */
  retire(id: number): boolean {
    const segment = this.#segments.get(id);
    if (segment === undefined || segment.held > 0) return false;
    this.#close(segment);
    return true;
  }

  /** Called when the connection is over. Each segment is unmapped when no slot of it is held any more. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    // A block that the program keeps must not keep the connection.
    this.#giveBack = () => {};
    for (const segment of this.#segments.values()) {
      for (const lease of segment.leases) lease?.unwatch();
      segment.leases.fill(undefined);
      if (segment.held === 0) this.#close(segment);
    }
  }

  #letGo(segment: HeldSegment, slot: number): void {
    segment.holders[slot]!--;
    segment.held--;
    this.held--;
    // `discard` forgets what this side has written to its private mapping: the next block must not show it.
    if (segment.sealed && segment.held === 0) segment.mapping.segment.discard();
    if (this.#ended && segment.held === 0) this.#close(segment);
  }

  #close(segment: HeldSegment): void {
    this.#segments.delete(segment.id);
    this.mappedBytes -= segment.mapping.bytes;
    segment.mapping.close();
  }
}

/** A lease of a block of the peer. */
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

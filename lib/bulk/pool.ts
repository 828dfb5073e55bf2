import type { Lease } from "./lease.js";
import { type Memory, NOBODY, SegmentStore, type StoreEvents, translate } from "./segment-store.js";
import { shareOut } from "./shared-lease.js";
import { SharedMemory } from "./shared-memory.js";
import {
  FREE,
  LENT,
  OWN,
  type PoolSegment,
  type SizeClass,
  SlotLease,
  type SlotLedger,
} from "./slot-lease.js";

export type { PoolSegment } from "./slot-lease.js";

/**
 * The ledger of the memory of one side of a connection. Each part is in the hands of this process or of the
 * peer, or is free. The ledger is private: nothing in it is read from shared memory.
 */
export class Pool implements SlotLedger {
  /** The number of blocks in the hands of this process (`own`) and of the peer (`lent`). */
  own = 0;
  lent = 0;
  /** The bytes of long messages that lie in blocks in the hands of the peer. */
  longBytes = 0;
  readonly #store: SegmentStore;
  #events: StoreEvents;
  #ended = false;

  /** `newName` makes new names for shm_open. Undefined: memory that can be sealed (Linux). */
  constructor(
    memory: Memory,
    newName: (() => string) | undefined,
    limit: number,
    checked: boolean,
    events: StoreEvents,
  ) {
    this.#store = new SegmentStore(memory, newName, limit, checked, events);
    this.#events = events;
  }

  /** The most bytes of all segments together. */
  get limit(): number {
    return this.#store.limit;
  }

  /** The bytes of this side's segments, including shared memory. */
  get allocatedBytes(): number {
    return this.#store.allocated;
  }

  /** Returns a lease for `bytes` bytes in a free slot of a present segment, or undefined. */
  take(bytes: number): SlotLease | undefined {
    const sizeClass = this.#store.classOf(bytes);
    const lease = sizeClass.free.pop() ?? this.#fresh(sizeClass);
    if (lease === undefined) return undefined;
    lease.handOut(bytes);
    const { segment } = lease;
    segment.states[lease.slot] = OWN;
    segment.used++;
    this.own++;
    return lease;
  }

  /** Takes memory for a block of `bytes` bytes from the system; see `SegmentStore.grow`. */
  grow(bytes: number): boolean {
    return this.#store.grow(bytes);
  }

  /** Like `grow`, but takes large memory from the system on another thread. */
  growSoon(bytes: number): Promise<boolean> {
    return this.#store.growSoon(bytes);
  }

  /** Does what timers would do; see `SegmentStore.attend`. */
  attend(): void {
    this.#store.attend();
  }

  /** Gives free segments back to the system; see `SegmentStore.reclaim`. */
  reclaim(bytes: number): number {
    return this.#store.reclaim(bytes);
  }

  /** Notes that the peer has the block now. `long`: it was sent for the message that lies in it. */
  sent(lease: SlotLease, long = false): void {
    const { segment, slot } = lease;
    lease.long = long;
    if (long) this.longBytes += lease.length;
    segment.states[slot] = LENT;
    segment.leases[slot] = lease;
    lease.withdraw();
    this.own--;
    this.lent++;
  }

  /** Takes back a slot from the peer. Returns false if the peer did not have it. */
  returned(id: number, slot: number): boolean {
    const lease = this.#lentLease(id, slot);
    if (lease === undefined) return false;
    this.#cameBack(lease);
    this.#free(lease);
    return true;
  }

  /** Takes a block that the peer sends home. Returns a lease of it, or undefined if the peer did not have the block. */
  cameHome(id: number, slot: number, bytes: number): SlotLease | undefined {
    const lease = this.#lentLease(id, slot);
    if (lease === undefined || lease.length !== bytes) return undefined;
    this.#cameBack(lease);
    lease.segment.states[slot] = OWN;
    lease.handOut(bytes);
    this.own++;
    return lease;
  }

  /** Frees a block that this process does not need any more. */
  release(lease: SlotLease): void {
    lease.withdraw();
    this.own--;
    this.#free(lease);
  }

  /** Frees the slot of a block that was collected together with its lease. */
  lost(segment: PoolSegment, slot: number): void {
    this.own--;
    this.#free(new SlotLease(this, segment, slot));
  }

  /** Returns `count` handles of the same memory in place of the lease. */
  share(lease: SlotLease, count: number): Lease[] {
    return shareOut(this.#extract(lease, false), count);
  }

  /** Returns a handle of the same bytes in read-only memory, in place of the lease. */
  seal(lease: SlotLease): Lease {
    return shareOut(this.#extract(lease, true), 1)[0]!;
  }

  /** Returns a number for memory of another pool that this peer must know. */
  newId(): number {
    return this.#store.newId();
  }

  /** Called when the connection is over. The peer's blocks count as free, and unused segments go. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#events = NOBODY;
    this.#store.end();
    for (const segment of this.#store.all()) {
      for (const lease of segment.leases) {
        if (lease === undefined) continue;
        lease.unwatch();
        this.lent--;
        segment.used--;
        segment.states[lease.slot] = FREE;
      }
      segment.leases.fill(undefined);
      segment.announced = false;
      if (segment.used === 0) this.#store.retire(segment);
    }
  }

  /** Makes a lease of a slot that never had one. Leases are made when they are needed. */
  #fresh({ fresh }: SizeClass): SlotLease | undefined {
    const segment = fresh.at(-1);
    if (segment === undefined) return undefined;
    const slot = segment.touched++;
    if (segment.touched === segment.slots) fresh.pop();
    return new SlotLease(this, segment, slot);
  }

  #lentLease(id: number, slot: number): SlotLease | undefined {
    const segment = this.#store.get(id);
    if (segment === undefined || segment.states[slot] !== LENT) return undefined;
    return segment.leases[slot];
  }

  #cameBack(lease: SlotLease): void {
    lease.segment.leases[lease.slot] = undefined;
    this.lent--;
    if (!lease.long) return;
    lease.long = false;
    this.longBytes -= lease.length;
  }

  #free(lease: SlotLease): void {
    const { segment } = lease;
    segment.states[lease.slot] = FREE;
    if (this.#ended) lease.unwatch();
    else segment.sizeClass.free.push(lease);
    if (--segment.used === 0) this.#store.becameFree(segment);
    this.#events.onFree();
  }

  /**
   * Turns the block's memory into memory that can have several holders. A block that is alone in a segment
   * which the peer does not know gives its own memory; any other gives a copy.
   */
  #extract(lease: SlotLease, sealed: boolean): SharedMemory {
    const { segment, length } = lease;
    const store = this.#store;
    if (segment.slots > 1 || segment.announced || (sealed && store.named)) {
      const mapping = store.copyOf(lease.bytes, sealed);
      this.release(lease);
      return new SharedMemory(mapping, length, sealed, () => store.uncharge(mapping.bytes));
    }
    const { mapping } = segment;
    if (sealed) {
      try {
        mapping.segment.makeImmutable();
      } catch (error) {
        // `makeImmutable` fails while the memory is in use, for instance by a read from a file.
        throw translate(error, mapping.bytes);
      }
    }
    lease.withdraw();
    this.own--;
    store.takeOut(segment);
    return new SharedMemory(mapping, length, sealed, () => store.uncharge(mapping.bytes));
  }
}

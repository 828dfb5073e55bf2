import type { Lease } from "./lease.js";
import { type Memory, SegmentStore, type StoreEvents, translate } from "./segment-store.js";
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
 * The ledger that says who has which part of the memory of one side of a connection: this process, the peer, or nobody. All of it is private:
 * nothing in it is read from shared memory.
 */
export class Pool implements SlotLedger {
  /** Blocks in the hands of this process, and of the peer. */
  own = 0;
  lent = 0;
  /** Bytes of messages that lie in blocks in the hands of the peer. */
  longBytes = 0;
  readonly #store: SegmentStore;
  readonly #events: StoreEvents;
  #ended = false;

  /** `newName`: names for shm_open, each new; undefined: memory that can be sealed (Linux). */
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

  /** Bytes of all segments together. */
  get limit(): number {
    return this.#store.limit;
  }

  /** Bytes of the segments of this side, shared memory included. */
  get allocatedBytes(): number {
    return this.#store.allocated;
  }

  /** A block in memory that is there and free, or undefined. */
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

  /** As `SegmentStore.grow`: gets memory for a block of `bytes` bytes. */
  grow(bytes: number): boolean {
    return this.#store.grow(bytes);
  }

  /** As `grow`; much memory is got on another thread. */
  growSoon(bytes: number): Promise<boolean> {
    return this.#store.growSoon(bytes);
  }

  /** As `SegmentStore.reclaim`: gives free segments back to the system. */
  reclaim(bytes: number): number {
    return this.#store.reclaim(bytes);
  }

  /** The peer has it now. `long`: for the message that lies in it. */
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

  /** The peer gives a slot back. False if it did not have it. */
  returned(id: number, slot: number): boolean {
    const lease = this.#lentLease(id, slot);
    if (lease === undefined) return false;
    this.#cameBack(lease);
    this.#free(lease);
    return true;
  }

  /** The peer sends a block home: a lease of it for this process, or undefined if the peer did not have it. */
  cameHome(id: number, slot: number, bytes: number): SlotLease | undefined {
    const lease = this.#lentLease(id, slot);
    if (lease === undefined || lease.length !== bytes) return undefined;
    this.#cameBack(lease);
    lease.segment.states[slot] = OWN;
    lease.handOut(bytes);
    this.own++;
    return lease;
  }

  /** A block of this process is not needed any more. */
  release(lease: SlotLease): void {
    lease.withdraw();
    this.own--;
    this.#free(lease);
  }

  /** A block of this process was collected, and its lease with it. */
  lost(segment: PoolSegment, slot: number): void {
    this.own--;
    this.#free(new SlotLease(this, segment, slot));
  }

  /** `count` handles of the same memory, in place of the lease. */
  share(lease: SlotLease, count: number): Lease[] {
    return shareOut(this.#extract(lease, false), count);
  }

  /** A handle of the same bytes in memory that nobody can write to, in place of the lease. */
  seal(lease: SlotLease): Lease {
    return shareOut(this.#extract(lease, true), 1)[0]!;
  }

  /** A number for memory of another pool that this peer is to know. */
  newId(): number {
    return this.#store.newId();
  }

  /** The connection is over: what the peer had is ours again, and all that nobody uses goes. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#store.end();
    for (const segment of this.#store.all()) {
      for (const lease of segment.leases) {
        if (lease === undefined) continue;
        this.lent--;
        segment.used--;
        segment.states[lease.slot] = FREE;
      }
      segment.leases.fill(undefined);
      segment.announced = false;
      if (segment.used === 0) this.#store.retire(segment);
    }
  }

  /** A lease of a slot that never had one: they are made as they are needed. */
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
    segment.sizeClass.free.push(lease);
    if (--segment.used === 0) this.#store.becameFree(segment);
    this.#events.onFree();
  }

  /** The block's memory as one that can have several holders: as it is if it is alone in a segment that the peer does not know, else a copy. */
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
        // Somebody has it in use, such as a read from a file that is under way.
        throw translate(error, mapping.bytes);
      }
    }
    lease.withdraw();
    this.own--;
    store.takeOut(segment);
    return new SharedMemory(mapping, length, sealed, () => store.uncharge(mapping.bytes));
  }
}

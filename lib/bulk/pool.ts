import { BlockError, BlockTooLargeError, NoSpaceError, SystemError } from "../errors.js";
import type { Binding, Segment } from "../native/binding.js";
import type { Lease } from "./lease.js";
import { Mapping } from "./mapping.js";
import { SegmentLease } from "./segment-lease.js";
import { SharedMemory } from "./shared.js";
import { MOST_SEGMENTS, PAGE, roundUp, segmentBytes, slotBytesFor, slotsOfNext } from "./size-classes.js";

/** What the ledger says of a slot. */
const FREE = 0;
/** In the hands of this process. */
const OWN = 1;
/** In the hands of the peer. */
const LENT = 2;

/** A segment all of whose slots have been free for one to two times this long (ms) is given back to the system. */
const IDLE = 2500;
/** No segment of several slots takes more than this part of the limit, so that blocks of many sizes have room side by side. */
const PART_OF_LIMIT = 1 / 16;
/** From this many bytes on, memory is got on another thread where the caller can wait. */
const SLOW_BYTES = 8 * 1024 * 1024;

/** What a pool makes memory of. */
export type Memory = Pick<Binding, "segmentCreate" | "segmentCreateSoon" | "detach">;

/** What a pool tells. */
export interface PoolEvents {
  /** Memory came back, or was given back to the system: who waits for it may try again. */
  onFree(): void;
  /** The segment is about to be unmapped here, after it was announced to the peer. */
  onRetire(segment: PoolSegment): void;
}

/** Slots of one size. */
interface SizeClass {
  readonly slotBytes: number;
  /** Free leases, the one used last on top: its memory is the most likely to be in the cache. */
  readonly free: SlotLease[];
  /** Segments made so far that still are there. */
  segments: number;
  /** Segments with slots that were never used. */
  readonly fresh: PoolSegment[];
}

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

/**
 * The memory of one side of a connection for blocks, and the ledger that says who has which part of it. All of it is private:
 * nothing in it is read from shared memory.
 */
export class Pool {
  /** Bytes of all segments together. */
  readonly limit: number;
  /** Blocks in the hands of this process, and of the peer. */
  own = 0;
  lent = 0;
  /** Bytes of messages that lie in blocks in the hands of the peer. */
  longBytes = 0;
  readonly checked: boolean;
  readonly #memory: Memory;
  readonly #newName: (() => string) | undefined;
  readonly #events: PoolEvents;
  readonly #classes = new Map<number, SizeClass>();
  readonly #segments = new Map<number, PoolSegment>();
  #allocated = 0;
  #nextId = 1;
  /** The class that was asked for last. */
  #lastBytes = -1;
  #lastClass: SizeClass | undefined;
  #period = 0;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  /** `newName`: names for shm_open, each new; undefined: memory that can be sealed (Linux). */
  constructor(
    memory: Memory,
    newName: (() => string) | undefined,
    limit: number,
    checked: boolean,
    events: PoolEvents,
  ) {
    this.#memory = memory;
    this.#newName = newName;
    this.limit = roundUp(limit, PAGE);
    this.checked = checked;
    this.#events = events;
  }

  /** Bytes of the segments of this side, shared memory included. */
  get allocatedBytes(): number {
    return this.#allocated;
  }

  /** A block in memory that is there and free, or undefined. */
  take(bytes: number): SlotLease | undefined {
    const sizeClass = this.#classOf(bytes);
    const lease = sizeClass.free.pop() ?? this.#fresh(sizeClass);
    if (lease === undefined) return undefined;
    lease.handOut(bytes);
    const { segment } = lease;
    segment.states[lease.slot] = OWN;
    segment.used++;
    this.own++;
    return lease;
  }

  /**
   * Gets memory from the system for a block of `bytes` bytes, giving back what is free if the limit asks for it. False where there is
   * no room under the limit. Throws a NoSpaceError where the system has none.
   */
  grow(bytes: number): boolean {
    const plan = this.#plan(bytes);
    if (plan === undefined) return false;
    const { size } = plan;
    try {
      let segment: Segment;
      try {
        segment = this.#memory.segmentCreate(size, this.#newName?.() ?? "");
      } catch (error) {
        if (!isOutOfMemory(error) || this.reclaim(Number.POSITIVE_INFINITY) === 0) throw error;
        segment = this.#memory.segmentCreate(size, this.#newName?.() ?? "");
      }
      this.#allocated += size;
      this.#add(segment, plan);
    } catch (error) {
      throw translate(error, size);
    }
    return true;
  }

  /** As `grow`; much memory is got on another thread. */
  async growSoon(bytes: number): Promise<boolean> {
    const plan = this.#plan(bytes);
    if (plan === undefined || plan.size < SLOW_BYTES) return this.grow(bytes);
    this.#allocated += plan.size;
    try {
      const segment = await this.#memory.segmentCreateSoon(plan.size, this.#newName?.() ?? "");
      if (!this.#ended) {
        this.#add(segment, plan);
        return true;
      }
      segment.close();
      this.#uncharge(plan.size);
      return false;
    } catch (error) {
      this.#uncharge(plan.size);
      if (isOutOfMemory(error) && this.reclaim(Number.POSITIVE_INFINITY) > 0) return this.grow(bytes);
      throw translate(error, plan.size);
    }
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

  /** Whether the peer knows this segment under this number. */
  has(id: number): boolean {
    return this.#segments.has(id);
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

  /** Gives free segments back to the system, the least recently used first, until `bytes` bytes came together; returns how many did. */
  reclaim(bytes: number): number {
    const free = [...this.#segments.values()].filter((segment) => segment.used === 0);
    free.sort((a, b) => a.freeSince - b.freeSince);
    let got = 0;
    for (const segment of free) {
      if (got >= bytes) break;
      got += segment.mapping.bytes;
      this.#retire(segment);
    }
    return got;
  }

  /** The same memory as one that can have several holders; copied, unless it is alone in a segment that the peer does not know. */
  share(lease: SlotLease): SharedMemory {
    return this.#extract(lease, false);
  }

  /** The same bytes in memory that nobody can write to. */
  seal(lease: SlotLease): SharedMemory {
    return this.#extract(lease, true);
  }

  /** A number for memory of another pool that this peer is to know. */
  newId(): number {
    return this.#nextId++;
  }

  /** The connection is over: what the peer had is ours again, and all that nobody uses goes. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    for (const segment of this.#segments.values()) {
      for (const lease of segment.leases) {
        if (lease === undefined) continue;
        this.lent--;
        segment.used--;
        segment.states[lease.slot] = FREE;
      }
      segment.leases.fill(undefined);
      segment.announced = false;
      if (segment.used === 0) this.#retire(segment);
    }
  }

  #classOf(bytes: number): SizeClass {
    if (bytes === this.#lastBytes) return this.#lastClass!;
    // A block shorter than the limit must not be refused because its class is longer.
    const slotBytes = Math.min(slotBytesFor(bytes), Math.max(this.limit, roundUp(bytes, PAGE)));
    let sizeClass = this.#classes.get(slotBytes);
    if (sizeClass === undefined) {
      sizeClass = { slotBytes, free: [], segments: 0, fresh: [] };
      this.#classes.set(slotBytes, sizeClass);
    }
    this.#lastBytes = bytes;
    this.#lastClass = sizeClass;
    return sizeClass;
  }

  #plan(
    bytes: number,
  ): { readonly sizeClass: SizeClass; readonly slots: number; readonly size: number } | undefined {
    if (bytes > this.limit) throw new BlockTooLargeError(this.limit, bytes);
    const sizeClass = this.#classOf(bytes);
    const { slotBytes } = sizeClass;
    const least = segmentBytes(slotBytes, 1);
    const missing = least - (this.limit - this.#allocated);
    if (missing > 0) this.reclaim(missing);
    if (this.#segments.size >= MOST_SEGMENTS) this.reclaim(1);
    const room = this.limit - this.#allocated;
    if (least > room || this.#segments.size >= MOST_SEGMENTS) return undefined;
    const part = Math.max(this.limit * PART_OF_LIMIT, PAGE, slotBytes);
    const most = Math.floor(Math.min(room, part) / slotBytes);
    const slots = Math.min(slotsOfNext(slotBytes, sizeClass.segments), most);
    return { sizeClass, slots, size: segmentBytes(slotBytes, slots) };
  }

  #add(
    native: Segment,
    { sizeClass, slots }: { readonly sizeClass: SizeClass; readonly slots: number },
  ): void {
    const segment: PoolSegment = {
      id: this.#nextId++,
      mapping: new Mapping(native, this.#memory.detach, this.checked),
      sizeClass,
      slotBytes: sizeClass.slotBytes,
      slots,
      states: new Uint8Array(slots),
      leases: new Array<SlotLease | undefined>(slots).fill(undefined),
      touched: 0,
      used: 0,
      announced: false,
      freeSince: this.#period,
    };
    this.#segments.set(segment.id, segment);
    sizeClass.segments++;
    sizeClass.fresh.push(segment);
    this.#startTimer();
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
    const segment = this.#segments.get(id);
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
    if (--segment.used === 0) {
      if (this.#ended) {
        this.#retire(segment);
      } else {
        segment.freeSince = this.#period;
        this.#startTimer();
      }
    }
    this.#events.onFree();
  }

  /** Gives a segment, all of whose slots are free, back to the system. */
  #retire(segment: PoolSegment): void {
    this.#forget(segment);
    if (segment.announced) this.#events.onRetire(segment);
    segment.mapping.close();
    this.#uncharge(segment.mapping.bytes);
  }

  #forget(segment: PoolSegment): void {
    const { sizeClass } = segment;
    this.#segments.delete(segment.id);
    sizeClass.segments--;
    const kept = sizeClass.free.filter((lease) => lease.segment !== segment);
    sizeClass.free.length = 0;
    for (const lease of kept) sizeClass.free.push(lease);
    const fresh = sizeClass.fresh.indexOf(segment);
    if (fresh >= 0) sizeClass.fresh.splice(fresh, 1);
  }

  #uncharge(bytes: number): void {
    this.#allocated -= bytes;
    this.#events.onFree();
  }

  #extract(lease: SlotLease, sealed: boolean): SharedMemory {
    const { segment } = lease;
    if (segment.slots > 1 || segment.announced || (sealed && this.#newName !== undefined))
      return this.#copy(lease, sealed);
    const { mapping } = segment;
    if (sealed) {
      try {
        mapping.segment.makeImmutable();
      } catch (error) {
        // Somebody has it in use, such as a read from a file that is under way.
        throw translate(error, mapping.bytes);
      }
    }
    const { length } = lease;
    lease.withdraw();
    this.own--;
    this.#forget(segment);
    return new SharedMemory(mapping, length, sealed, () => this.#uncharge(mapping.bytes));
  }

  #copy(lease: SlotLease, sealed: boolean): SharedMemory {
    const size = roundUp(Math.max(lease.length, 1), PAGE);
    if (size > this.limit - this.#allocated) this.reclaim(size - (this.limit - this.#allocated));
    if (size > this.limit - this.#allocated) {
      throw new NoSpaceError(
        `no room for a copy of ${lease.length} bytes: blocks may take ${this.limit} bytes together (maxBulkBytes)`,
        size,
      );
    }
    const name = sealed ? "" : (this.#newName?.() ?? "");
    let mapping: Mapping | undefined;
    try {
      const segment = this.#memory.segmentCreate(size, name);
      mapping = new Mapping(segment, this.#memory.detach, this.checked);
      const view = mapping.view(0, lease.length);
      view.set(lease.bytes);
      mapping.revoke(view);
      if (sealed) segment.makeImmutable();
    } catch (error) {
      mapping?.close();
      throw translate(error, size);
    }
    this.#allocated += size;
    const { length } = lease;
    this.release(lease);
    return new SharedMemory(mapping, length, sealed, () => this.#uncharge(size));
  }

  #startTimer(): void {
    if (this.#timer !== undefined || this.#ended) return;
    this.#timer = setTimeout(() => this.#giveBackIdle(), IDLE).unref();
  }

  #giveBackIdle(): void {
    this.#timer = undefined;
    this.#period++;
    let more = false;
    for (const segment of this.#segments.values()) {
      if (segment.used > 0) continue;
      if (segment.freeSince + 1 < this.#period) this.#retire(segment);
      else more = true;
    }
    if (more) this.#startTimer();
  }
}

/** A block in a slot of our own memory. */
export class SlotLease extends SegmentLease<PoolSegment> implements Lease {
  readonly pool: Pool;
  /** Whether it was sent for the message that lies in it. */
  long = false;
  readonly sealed = false;
  readonly shared = false;

  constructor(pool: Pool, segment: PoolSegment, slot: number) {
    super(segment, slot, "allocated", () => pool.lost(segment, slot));
    this.pool = pool;
  }

  release(): void {
    this.pool.release(this);
  }

  share(count: number): Lease[] {
    const memory = this.pool.share(this);
    return Array.from({ length: count }, () => memory.lease());
  }

  seal(): Lease {
    return this.pool.seal(this).lease();
  }
}

function isOutOfMemory(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "ENOMEM" || code === "EFBIG" || code === "EDQUOT";
}

function translate(cause: unknown, bytes: number): Error {
  const { code, syscall, message } = cause as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return cause as Error;
  if (isOutOfMemory(cause)) {
    return new NoSpaceError(`no room for ${bytes} bytes of shared memory: ${message}`, bytes, { cause });
  }
  if (code === "ENOSYS")
    return new BlockError("sealing needs Linux: there are no sealed files on this platform", { cause });
  return new SystemError(
    `getting ${bytes} bytes of shared memory failed: ${message}`,
    code,
    syscall,
    undefined,
    {
      cause,
    },
  );
}

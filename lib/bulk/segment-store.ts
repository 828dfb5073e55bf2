import { BlockError, BlockTooLargeError, NoSpaceError, SystemError } from "../errors.js";
import type { Binding, Segment } from "../native/binding.js";
import { Mapping } from "./mapping.js";
import { MOST_SEGMENTS, PAGE, roundUp, segmentBytes, slotBytesFor, slotsOfNext } from "./size-classes.js";
import type { PoolSegment, SizeClass, SlotLease } from "./slot-lease.js";

/** An unused segment is given back to the system after one to two times this long (ms). */
const IDLE = 2500;
/** A segment of several slots takes at most this part of the limit, so that blocks of many sizes have room side by side. */
const PART_OF_LIMIT = 1 / 16;
/** Memory of at least this many bytes is taken on another thread, if the caller can wait. */
const SLOW_BYTES = 8 * 1024 * 1024;

/** The addon's functions that make segments. */
export type Memory = Pick<Binding, "segmentCreate" | "segmentCreateSoon">;

/** The calls of the store to its owner. */
export interface StoreEvents {
  /** Called when memory came back, or was given back to the system. Allocations that wait may try again. */
  onFree(): void;
  /** Called when a segment that the peer knows is about to be unmapped here. */
  onRetire(segment: PoolSegment): void;
}

/** Events that nobody hears. */
export const NOBODY: StoreEvents = { onFree: () => {}, onRetire: () => {} };

/** The next segment of a class. */
interface Plan {
  readonly sizeClass: SizeClass;
  readonly slots: number;
  readonly bytes: number;
}

/**
 * The segments of one side of a connection. The store takes them from the system, under a limit, and gives unused ones back. Longer
 * than other files: one account of bytes covers both directions.
 */
export class SegmentStore {
  /** The most bytes of all segments together. */
  readonly limit: number;
  /** The bytes of all present segments, and of memory that was taken out of the store to be shared. */
  allocated = 0;
  /** Whether memory is made by shm_open. Such memory can't be sealed. */
  readonly named: boolean;
  readonly #checked: boolean;
  readonly #memory: Memory;
  readonly #newName: (() => string) | undefined;
  #events: StoreEvents;
  readonly #classes = new Map<number, SizeClass>();
  readonly #segments = new Map<number, PoolSegment>();
  #nextId = 1;
  /** The class that was asked for last, and its blocks' length: a cache. */
  #lastBytes = -1;
  #lastClass: SizeClass | undefined;
  #period = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer is due, for a thread whose timers do not run. */
  #due = 0;
  #ended = false;

  /** `newName` makes new names for shm_open. Undefined: memory that can be sealed (Linux). */
  constructor(
    memory: Memory,
    newName: (() => string) | undefined,
    limit: number,
    checked: boolean,
    events: StoreEvents,
  ) {
    this.#memory = memory;
    this.#newName = newName;
    this.named = newName !== undefined;
    this.limit = roundUp(limit, PAGE);
    this.#checked = checked;
    this.#events = events;
  }

  get(id: number): PoolSegment | undefined {
    return this.#segments.get(id);
  }

  all(): IterableIterator<PoolSegment> {
    return this.#segments.values();
  }

  /** Returns a number that no segment has. */
  newId(): number {
    return this.#nextId++;
  }

  /** Returns the class of slots for blocks of `bytes` bytes. */
  classOf(bytes: number): SizeClass {
    if (bytes === this.#lastBytes) return this.#lastClass!;
    // The class is cut at the limit: a block shorter than the limit must not be refused because its class is
    // longer.
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

  /**
   * Makes a segment with a slot for a block of `bytes` bytes. Gives free segments back first, if the limit
   * requires it. Returns false if there is no room under the limit. Throws a NoSpaceError if the system has
   * no memory.
   */
  grow(bytes: number): boolean {
    const plan = this.#plan(bytes);
    if (plan === undefined) return false;
    try {
      let segment: Segment;
      try {
        segment = this.#create(plan.bytes);
      } catch (error) {
        if (!isOutOfMemory(error) || this.reclaim(Number.POSITIVE_INFINITY) === 0) throw error;
        segment = this.#create(plan.bytes);
      }
      this.allocated += plan.bytes;
      this.#add(segment, plan);
    } catch (error) {
      throw translate(error, plan.bytes);
    }
    return true;
  }

  /** Like `grow`, but takes large memory from the system on another thread. */
  async growSoon(bytes: number): Promise<boolean> {
    const plan = this.#plan(bytes);
    if (plan === undefined || plan.bytes < SLOW_BYTES) return this.grow(bytes);
    this.allocated += plan.bytes;
    try {
      const segment = await this.#memory.segmentCreateSoon(plan.bytes, this.#newName?.() ?? "");
      if (!this.#ended) {
        this.#add(segment, plan);
        return true;
      }
      segment.close();
      this.uncharge(plan.bytes);
      return false;
    } catch (error) {
      this.uncharge(plan.bytes);
      if (isOutOfMemory(error) && this.reclaim(Number.POSITIVE_INFINITY) > 0) return this.grow(bytes);
      throw translate(error, plan.bytes);
    }
  }

  /**
   * Gives free segments back to the system, the least recently used first, until `bytes` bytes are free.
   * Returns how many bytes it gave back.
   */
  reclaim(bytes: number): number {
    const free = [...this.#segments.values()].filter((segment) => segment.used === 0);
    free.sort((a, b) => a.freeSince - b.freeSince);
    let got = 0;
    for (const segment of free) {
      if (got >= bytes) break;
      got += segment.mapping.bytes;
      this.retire(segment);
    }
    return got;
  }

  /** Gives idle segments back if that is due, for a thread that does not come to its event loop. */
  attend(): void {
    if (this.#timer === undefined || performance.now() < this.#due) return;
    clearTimeout(this.#timer);
    this.#giveBackIdle();
  }

  /** Called when the last slot of the segment has become free. */
  becameFree(segment: PoolSegment): void {
    if (this.#ended) {
      this.retire(segment);
    } else {
      segment.freeSince = this.#period;
      this.#startTimer();
    }
  }

  /** Gives a segment with only free slots back to the system. */
  retire(segment: PoolSegment): void {
    this.takeOut(segment);
    if (segment.announced) this.#events.onRetire(segment);
    segment.mapping.close();
    this.uncharge(segment.mapping.bytes);
  }

  /** Takes a segment out of the store. Its bytes count until `uncharge`. */
  takeOut(segment: PoolSegment): void {
    const { sizeClass } = segment;
    this.#segments.delete(segment.id);
    sizeClass.segments--;
    const kept = sizeClass.free.filter((lease: SlotLease) => lease.segment !== segment);
    sizeClass.free.length = 0;
    for (const lease of kept) sizeClass.free.push(lease);
    const fresh = sizeClass.fresh.indexOf(segment);
    if (fresh >= 0) sizeClass.fresh.splice(fresh, 1);
  }

  /** Stops counting bytes that the system has again. */
  uncharge(bytes: number): void {
    this.allocated -= bytes;
    this.#events.onFree();
  }

  /**
   * Returns memory outside of all segments with a copy of the bytes. It counts until `uncharge`. `sealed`:
   * the memory is made read-only. Throws a NoSpaceError if there is no room under the limit, or the system
   * has no memory.
   */
  copyOf(bytes: Uint8Array, sealed: boolean): Mapping {
    const size = roundUp(Math.max(bytes.length, 1), PAGE);
    if (size > this.limit - this.allocated) this.reclaim(size - (this.limit - this.allocated));
    if (size > this.limit - this.allocated) {
      throw new NoSpaceError(
        `no room for a copy of ${bytes.length} bytes: blocks may take ${this.limit} bytes together (maxBulkBytes)`,
        size,
      );
    }
    let mapping: Mapping | undefined;
    try {
      const segment = this.#create(size, sealed ? "" : undefined);
      mapping = new Mapping(segment, this.#checked);
      const view = mapping.view(0, bytes.length);
      view.set(bytes);
      mapping.revoke(view);
      if (sealed) segment.makeImmutable();
    } catch (error) {
      mapping?.close();
      throw translate(error, size);
    }
    this.allocated += size;
    return mapping;
  }

  /**
   * Called when the connection is over. Segments go as soon as no block uses them. A block that the program
   * keeps must not keep the connection, so nothing is told to it any more.
   */
  end(): void {
    this.#ended = true;
    this.#events = NOBODY;
    clearTimeout(this.#timer);
    for (const { free } of this.#classes.values()) {
      for (const lease of free) lease.unwatch();
      free.length = 0;
    }
  }

  #create(bytes: number, name = this.#newName?.() ?? ""): Segment {
    return this.#memory.segmentCreate(bytes, name);
  }

  #plan(bytes: number): Plan | undefined {
    if (bytes > this.limit) throw new BlockTooLargeError(this.limit, bytes);
    const sizeClass = this.classOf(bytes);
    const { slotBytes } = sizeClass;
    const least = segmentBytes(slotBytes, 1);
    const missing = least - (this.limit - this.allocated);
    if (missing > 0) this.reclaim(missing);
    if (this.#segments.size >= MOST_SEGMENTS) this.reclaim(1);
    const room = this.limit - this.allocated;
    if (least > room || this.#segments.size >= MOST_SEGMENTS) return undefined;
    const part = Math.max(this.limit * PART_OF_LIMIT, PAGE, slotBytes);
    const most = Math.floor(Math.min(room, part) / slotBytes);
    const slots = Math.min(slotsOfNext(slotBytes, sizeClass.segments), most);
    return { sizeClass, slots, bytes: segmentBytes(slotBytes, slots) };
  }

  #add(native: Segment, { sizeClass, slots }: Plan): void {
    const segment: PoolSegment = {
      id: this.#nextId++,
      mapping: new Mapping(native, this.#checked),
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

  #startTimer(): void {
    if (this.#timer !== undefined || this.#ended) return;
    this.#timer = setTimeout(() => this.#giveBackIdle(), IDLE).unref();
    this.#due = performance.now() + IDLE;
  }

  #giveBackIdle(): void {
    this.#timer = undefined;
    this.#period++;
    let more = false;
    for (const segment of this.#segments.values()) {
      if (segment.used > 0) continue;
      if (segment.freeSince + 1 < this.#period) this.retire(segment);
      else more = true;
    }
    if (more) this.#startTimer();
  }
}

/** Returns the error for a system call that failed to make `bytes` bytes of memory, or to seal them. */
export function translate(cause: unknown, bytes: number): Error {
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

function isOutOfMemory(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "ENOMEM" || code === "EFBIG" || code === "EDQUOT";
}

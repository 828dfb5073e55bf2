import type { Pool, PoolSegment } from "../../bulk/pool.js";
import type { SharedMemory } from "../../bulk/shared-memory.js";
import { MOST_SEGMENTS } from "../../bulk/size-classes.js";
import { setTimeout } from "../../clock.js";
import { BlockTooLargeError } from "../../errors.js";
import type { NativeConnection, Segment } from "../../native/binding.js";
import { ENDED, NO_MEMORY, SENT, type SendStatus } from "../records/send-status.js";
import { ownFailure } from "../wire/own-failure.js";
import type { BulkLane } from "./bulk-lane.js";

/** How long (ms) to wait before passing a descriptor again that the kernel did not take. */
const RETRY = 10;

/** Memory of another connection that the peer of this one knows. */
export interface Adopted {
  /** The peer's number for it. */
  readonly id: number;
  readonly memory: SharedMemory;
  /** The number of handles in the hands of the peer. */
  lent: number;
  /** Called when the memory is freed. */
  readonly freed: () => void;
}

/**
 * The memory that the peer was told of: segments of this connection, and shared memory of others. The peer
 * maps no more of it than was agreed. So room is made by taking away memory that the peer does not hold.
 */
export class Announcements {
  readonly #native: NativeConnection;
  readonly #pool: Pool;
  readonly #lane: BulkLane;
  readonly #limit: number;
  readonly #tellMemory: () => void;
  readonly #adopted = new Map<SharedMemory, Adopted>();
  readonly #adoptedById = new Map<number, Adopted>();
  /** The number and bytes of the segments that the peer knows. */
  #segments = 0;
  #bytes = 0;
  /** Whether the kernel did not take the last descriptor. No record of the peer tells when it will. */
  mayPassAgain = false;

  /** `limit`: the longest block in bytes. `tellMemory` lets waiting allocations try again. */
  constructor(native: NativeConnection, pool: Pool, lane: BulkLane, limit: number, tellMemory: () => void) {
    this.#native = native;
    this.#pool = pool;
    this.#lane = lane;
    this.#limit = limit;
    this.#tellMemory = tellMemory;
  }

  /** The number of handles of other connections' shared memory that the peer holds. */
  get lent(): number {
    let sum = 0;
    for (const { lent } of this.#adopted.values()) sum += lent;
    return sum;
  }

  /** Whether the peer knows memory of other connections. */
  get hasAdopted(): boolean {
    return this.#adopted.size > 0;
  }

  byId(id: number): Adopted | undefined {
    return this.#adoptedById.get(id);
  }

  byMemory(memory: SharedMemory): Adopted | undefined {
    return this.#adopted.get(memory);
  }

  /** Announces a segment of this side to the peer. `inUse` returns whether the message in the making refers to a segment. */
  announceOwn(segment: PoolSegment, inUse: (id: number) => boolean): SendStatus {
    if (segment.announced) return SENT;
    const { id, mapping, slots, slotBytes } = segment;
    const status = this.#announce(
      { id, slots, slotBytes, sealed: false, shared: false },
      mapping.segment,
      inUse,
    );
    if (status !== SENT) return status;
    segment.announced = true;
    // The descriptor is not needed any more: no other peer is told of this segment.
    mapping.segment.closeDescriptor();
    return SENT;
  }

  /** Announces shared memory, of this connection or another, to the peer. */
  adopt(memory: SharedMemory, inUse: (id: number) => boolean): Adopted | SendStatus {
    const known = this.#adopted.get(memory);
    if (known !== undefined) return known;
    const id = this.#pool.newId();
    const { mapping, sealed } = memory;
    const announcement = { id, slots: 1, slotBytes: mapping.bytes, sealed, shared: true };
    const status = this.#announce(announcement, mapping.segment, inUse);
    if (status !== SENT) return status;
    const adopted: Adopted = { id, memory, lent: 0, freed: () => this.#disown(adopted) };
    this.#adopted.set(memory, adopted);
    this.#adoptedById.set(id, adopted);
    memory.onFree(adopted.freed);
    return adopted;
  }

  /** Takes away a segment that the peer knows. */
  retire(id: number, bytes: number): void {
    this.#segments--;
    this.#bytes -= bytes;
    this.#lane.retire(id);
  }

  /** Called when the connection is over: the peer's handles of shared memory count as given back. */
  end(): void {
    const adopted = [...this.#adopted.values()];
    this.#adopted.clear();
    this.#adoptedById.clear();
    for (const { memory, lent, freed } of adopted) {
      // The memory may live much longer than this connection.
      memory.offFree(freed);
      for (let i = 0; i < lent; i++) memory.drop();
    }
  }

  /** Takes away shared memory of which the peer has no handle. */
  #disown({ id, memory, freed }: Adopted): void {
    memory.offFree(freed);
    this.#adopted.delete(memory);
    this.#adoptedById.delete(id);
    this.retire(id, memory.mapping.bytes);
    // An announcement that found no room may have some now.
    this.#tellMemory();
  }

  #announce(
    announcement: Parameters<BulkLane["announce"]>[0],
    segment: Segment,
    inUse: (id: number) => boolean,
  ): SendStatus {
    if (segment.bytes > this.#pool.limit) throw new BlockTooLargeError(this.#limit, segment.bytes);
    if (!this.#hasRoom(segment.bytes, inUse) || this.#lane.isWaiting) return NO_MEMORY;
    const status = this.#pass(segment);
    if (status !== SENT) return status;
    // From here on the announcement must go out, now or later: descriptors must come in the order of the
    // announcements.
    this.#lane.announce(announcement);
    this.#segments++;
    this.#bytes += segment.bytes;
    return SENT;
  }

  /** Returns whether the peer may be told of `bytes` bytes more. Makes room by taking away memory that the peer does not hold. */
  #hasRoom(bytes: number, inUse: (id: number) => boolean): boolean {
    const fits = () => this.#bytes + bytes <= this.#pool.limit && this.#segments < MOST_SEGMENTS;
    if (fits()) return true;
    this.#lane.look();
    for (const adopted of [...this.#adopted.values()]) {
      if (fits()) return true;
      if (adopted.lent === 0 && !inUse(adopted.id)) this.#disown(adopted);
    }
    if (!fits()) this.#pool.reclaim(Number.POSITIVE_INFINITY);
    return fits();
  }

  #pass(segment: Segment): SendStatus {
    try {
      this.mayPassAgain = !this.#native.pass(segment);
      if (!this.mayPassAgain) return SENT;
    } catch (error) {
      const failure = ownFailure(error, "passing memory to the peer failed");
      if (failure !== undefined) throw failure;
      // The peer has gone; the transport learns that in its own way.
      return ENDED;
    }
    // Too many descriptors are on their way. Nothing reports their arrival, so a timer tries again.
    setTimeout(this.#tellMemory, RETRY).unref();
    return NO_MEMORY;
  }
}

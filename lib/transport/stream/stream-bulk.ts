import { type Block, forget, leaseOf, makeBlock } from "../../bulk/block.js";
import type { Lease } from "../../bulk/lease.js";
import { OURS, PrivateLease, type PrivateOwner } from "../../bulk/private.js";
import { type PrivateBytes, PrivateMemory } from "../../bulk/private-memory.js";
import type { Ending } from "../../ending.js";
import { BlockError, BlockTooLargeError } from "../../errors.js";
import { type BulkStats, LONG_WINDOW, type TransportBulk } from "../contract.js";
import { COMES_HOME, type Handle } from "../records/handle-table.js";
import { NO_MEMORY, SENT } from "../records/send-status.js";
import { HOME, SEALED, SHARED } from "./frame-layout.js";
import type { FrameWriter } from "./writer.js";

/*
 * Blocks whose bytes are sent. Each side has an account of its blocks, and one of the other's that it holds, and nobody can make
 * either exceed the limit:
 *
 * - A block of this side is in the hands of its program, or lent to the peer. Its memory is kept while it is lent, so that there is a
 *   place for its bytes when it comes home.
 * - A handle of shared memory is lent as a copy, of which nothing is kept here once its bytes are with the wire. If the peer sends that
 *   copy back, it is a block of the peer's.
 * - A block of the peer's is held until its RETURN frame, or, if it goes home, its last chunk, has been written: before the owner
 *   can know of it, so that what is announced next is never too much.
 */

/** Blocks of a side at most, for also an empty one takes memory. */
const MOST_BLOCKS = 1 << 20;

/** What the bulk part needs of its connection. */
export interface StreamOwner {
  /** Nothing goes out any more. */
  readonly ended: boolean;
  readonly writer: FrameWriter;
  readonly ending: Ending;
  /** Frames were given to the writer. */
  wrote(): void;
  /** Takes in what has arrived, where that can be done from here. Calls no handler. */
  poll(): void;
  /** A handler is to be called, soon and asynchronously. */
  schedule(): void;
}

/** A block that the peer has, or will have. */
interface Lent {
  readonly length: number;
  /** Its memory; undefined for a copy. */
  readonly bytes: PrivateBytes | undefined;
  readonly sealed: boolean;
  /** Whether it is lent for the message that lies in it. */
  readonly long: boolean;
  /** Whether the peer has been told all of it, and may release it or send it home. */
  returnable: boolean;
}

/** A block on its way to the peer. */
export interface Parcel {
  readonly id: number;
  readonly flags: number;
  readonly bytes: Uint8Array;
  /** In bytes. */
  readonly length: number;
  /** How many bytes are to be written. */
  readonly content: number;
  /** Where it is a copy: what it is a copy of. */
  readonly lease: Lease | undefined;
}

/** A block on its way from the peer. */
export interface Arrival {
  readonly id: number;
  readonly flags: number;
  readonly length: number;
  readonly bytes: PrivateBytes;
  /** How many of the bytes are here. */
  have: number;
}

/** The blocks of a message that were admitted. */
export class StreamShipment {
  handles: readonly Handle[] = [];
  count = 0;
  readonly #bulk: StreamBulk;
  readonly #blocks: readonly Block[];
  readonly #long: boolean;

  constructor(bulk: StreamBulk, blocks: readonly Block[], long: boolean) {
    this.#bulk = bulk;
    this.#blocks = blocks;
    this.#long = long;
  }

  /** Takes the blocks away from their program. */
  pack(): Parcel[] {
    const parcels = this.#bulk.pack(this.#blocks, this.#long);
    this.handles = parcels.map(handleOf);
    this.count = parcels.length;
    return parcels;
  }
}

function handleOf({ id, flags, length }: Parcel): Handle {
  return { segment: id, slot: 0, flags: (flags & HOME) === 0 ? 0 : COMES_HOME, bytes: length };
}

export class StreamBulk implements TransportBulk, PrivateOwner {
  readonly mode = "copied";
  readonly limit: number;
  readonly memory: PrivateMemory;
  readonly #host: StreamOwner;
  /** Blocks of this side: bytes of them all, those that are lent included; and how many are in the hands of the program. */
  #ourBytes = 0;
  #ownBlocks = 0;
  readonly #lent = new Map<number, Lent>();
  #lentBytes = 0;
  /** How many of these are for messages that lie in them. */
  #longBytes = 0;
  /** How many of these are copies. */
  #copyBytes = 0;
  #lastId = 0;
  /** Blocks of the peer, from their first frame on. */
  readonly #held = new Set<number>();
  #heldBytes = 0;
  #sentBlocks = 0;
  #receivedBlocks = 0;
  #copiedBytes = 0;
  /** Whether something came back since there was too little. */
  #cameBack = false;
  #wanted = false;
  #memoryDue = false;

  /** `limit`: in bytes, for the blocks of each side; 0: no blocks. `checked`: see PrivateMemory. */
  constructor(host: StreamOwner, limit: number, checked: boolean) {
    this.#host = host;
    this.limit = limit;
    this.memory = new PrivateMemory(checked);
  }

  allocate(bytes: number): Block | undefined {
    if (this.#host.ended) throw this.#host.ending.error;
    if (bytes > this.limit || this.limit === 0) throw new BlockTooLargeError(this.limit, bytes);
    const fits = () =>
      this.#ourBytes + this.#copyBytes + bytes <= this.limit &&
      this.#ownBlocks + this.#lent.size < MOST_BLOCKS;
    if (!fits() && !this.#comesBack(fits)) return undefined;
    const memory = this.memory.take(bytes);
    this.#ourBytes += bytes;
    this.#ownBlocks++;
    return makeBlock(PrivateLease.of(this, memory, OURS, false, false));
  }

  async allocateSoon(bytes: number): Promise<Block | undefined> {
    return this.allocate(bytes);
  }

  admitsLong(bytes: number): boolean {
    const fits = () => this.#longBytes === 0 || this.#longBytes + bytes <= LONG_WINDOW;
    return fits() || this.#comesBack(fits);
  }

  wantMemory(): void {
    this.#wanted = true;
    if (this.#cameBack || this.#host.ended) this.#tell();
  }

  stats(): BulkStats {
    return {
      mode: this.mode,
      limit: this.limit,
      allocatedBytes: this.#ourBytes + this.memory.keptBytes,
      ownBlocks: this.#ownBlocks,
      lentBlocks: this.#lent.size,
      heldBlocks: this.#held.size,
      heldBytes: this.#heldBytes,
      sentBlocks: this.#sentBlocks,
      receivedBlocks: this.#receivedBlocks,
      copiedBytes: this.#copiedBytes,
    };
  }

  /** Whether an `onMemory` is due; asking answers it. */
  answersMemory(): boolean {
    if (!this.#memoryDue) return false;
    this.#memoryDue = false;
    this.#wanted = false;
    return true;
  }

  /** As `Shipping.ship`. */
  ship(blocks: readonly Block[], long: boolean): StreamShipment | typeof NO_MEMORY {
    return this.#admits(blocks, long) === SENT ? new StreamShipment(this, blocks, long) : NO_MEMORY;
  }

  /** Whether these blocks can be sent now. Throws a BlockError or a BlockTooLargeError where they never can. */
  #admits(blocks: readonly Block[], long: boolean): typeof SENT | typeof NO_MEMORY {
    if (long && !this.admitsLong(blocks[0]!.byteLength)) return NO_MEMORY;
    let bytes = 0;
    let count = 0;
    for (const block of blocks) {
      const lease = leaseOf(block);
      this.#mustBeSendable(lease);
      if (this.#isPeers(lease)) continue;
      bytes += lease.length;
      count++;
    }
    if (new Set(blocks).size < blocks.length) throw new BlockError("a block stands twice in one message");
    if (count === 0) return SENT;
    if (bytes > this.limit || this.limit === 0) throw new BlockTooLargeError(this.limit, bytes);
    const fits = () => this.#lentBytes + bytes <= this.limit && this.#lent.size + count <= MOST_BLOCKS;
    return fits() || this.#comesBack(fits) ? SENT : NO_MEMORY;
  }

  /** Takes blocks that were admitted away from their program. */
  pack(blocks: readonly Block[], inBlock: boolean): Parcel[] {
    this.#sentBlocks += blocks.length;
    return blocks.map((block, i) => {
      const lease = leaseOf(block);
      forget(block);
      const { length, sealed } = lease;
      const flags = sealed ? SEALED : 0;
      if (lease.shared) {
        if (lease.ledger === this) (lease as PrivateLease).withdraw();
        const id = this.#lend({ length, bytes: undefined, sealed, long: false, returnable: false });
        this.#copyBytes += length;
        return { id, flags: flags | SHARED, bytes: lease.bytes, length, content: length, lease };
      }
      const { id: itsId } = lease as PrivateLease;
      const bytes = (lease as PrivateLease).surrender();
      if (itsId !== OURS) {
        const content = sealed ? 0 : length;
        return { id: itsId, flags: flags | HOME, bytes, length, content, lease: undefined };
      }
      this.#ownBlocks--;
      const long = inBlock && i === 0;
      const id = this.#lend({ length, bytes, sealed, long, returnable: false });
      if (long) this.#longBytes += length;
      return { id, flags, bytes, length, content: length, lease: undefined };
    });
  }

  /** Its last byte was written. */
  written(parcel: Parcel): void {
    this.#copiedBytes += parcel.content;
    if (parcel.lease !== undefined) {
      parcel.lease.release();
    } else if ((parcel.flags & HOME) !== 0) {
      this.#letGo(parcel.id, parcel.length);
      this.memory.give(parcel.bytes as PrivateBytes);
    }
  }

  /** The record that tells of it was written. */
  told({ id, flags }: Parcel): void {
    const lent = (flags & HOME) === 0 ? this.#lent.get(id) : undefined;
    if (lent !== undefined) lent.returnable = true;
  }

  /** The connection has ended before it was written. */
  abandon(parcel: Parcel): void {
    parcel.lease?.release();
    // What was lent is dealt with by `end`; what was to go home is not held any more, either.
    if ((parcel.flags & HOME) === 0) return;
    this.#letGo(parcel.id, parcel.length);
    this.memory.give(parcel.bytes as PrivateBytes);
  }

  /** The peer begins a block. Returns why that can't be, if it can't. */
  begins(id: number, flags: number, length: number): Arrival | string {
    if ((flags & ~(HOME | SEALED | SHARED)) !== 0) return `a block has the flags ${flags}`;
    if ((flags & HOME) !== 0) return this.#comesHome(id, flags, length);
    if (this.limit === 0) return "a block came, though there are to be none";
    if (this.#held.has(id)) return `block ${id} came, which is here already`;
    if (length > this.limit - this.#heldBytes) return "more bytes of blocks came than were let in";
    if (this.#held.size >= MOST_BLOCKS) return "more blocks came than were let in";
    let bytes: PrivateBytes;
    try {
      bytes = this.memory.take(length);
    } catch {
      return `there is no memory for a block of ${length} bytes`;
    }
    this.#held.add(id);
    this.#heldBytes += length;
    return { id, flags, length, bytes, have: 0 };
  }

  /** All of its bytes are here. */
  arrived({ id, flags, length }: Arrival): void {
    if ((flags & HOME) === 0 || (flags & SEALED) === 0) this.#copiedBytes += length;
    if ((flags & HOME) === 0) return;
    this.#lent.delete(id);
    this.#lentBytes -= length;
    this.#came();
  }

  /** A block that has arrived, for the program. */
  take({ id, flags, bytes }: Arrival): Block {
    this.#receivedBlocks++;
    const ours = (flags & HOME) !== 0;
    if (ours) this.#ownBlocks++;
    const sealed = (flags & SEALED) !== 0;
    return makeBlock(PrivateLease.of(this, bytes, ours ? OURS : id, sealed, (flags & SHARED) !== 0));
  }

  /** What has arrived, or a part of it, will not be taken: the connection is ending. */
  refuse({ id, flags, length, bytes, have }: Arrival): void {
    if ((flags & HOME) === 0) this.#letGo(id, length);
    // If it was not whole, it still counts as lent.
    else if (have === length) this.#ourBytes -= length;
    else return;
    this.memory.give(bytes);
  }

  /** The peer has released a block. False if it had none of this id. */
  returned(id: number): boolean {
    const lent = this.#lent.get(id);
    if (lent === undefined || !lent.returnable) return false;
    this.#lent.delete(id);
    this.#lentBytes -= lent.length;
    if (lent.long) this.#longBytes -= lent.length;
    if (lent.bytes === undefined) {
      this.#copyBytes -= lent.length;
    } else {
      this.#ourBytes -= lent.length;
      this.memory.give(lent.bytes);
    }
    this.#came();
    return true;
  }

  /** A lease was given up by the program. */
  released(bytes: PrivateBytes, id: number, length: number): void {
    this.memory.give(bytes);
    if (id !== OURS) {
      this.#letGo(id, length);
      if (this.#host.ended) return;
      this.#host.writer.returned(id);
      this.#host.wrote();
      return;
    }
    this.#ourBytes -= length;
    this.#ownBlocks--;
    this.#came();
  }

  /** The connection is over: what was lent comes back. What is held stays with its holders. */
  end(): void {
    for (const { length, bytes } of this.#lent.values()) if (bytes !== undefined) this.#ourBytes -= length;
    this.#lent.clear();
    this.#lentBytes = 0;
    this.#copyBytes = 0;
    this.memory.close();
    this.#came();
  }

  #mustBeSendable(lease: Lease): void {
    if (!lease.shared && !(lease.ledger === this)) {
      throw new BlockError(
        "the block belongs to another channel; only a shared one (see share) can go over several, or a copy of it",
      );
    }
    if (lease.bytes.length !== lease.length) throw new BlockError("the memory of the block was transferred");
  }

  /** Whether it goes home if it is sent. */
  #isPeers(lease: Lease): boolean {
    return !lease.shared && (lease as PrivateLease).id !== OURS;
  }

  #lend(lent: Lent): number {
    do this.#lastId = (this.#lastId + 1) >>> 0;
    while (this.#lent.has(this.#lastId));
    this.#lent.set(this.#lastId, lent);
    this.#lentBytes += lent.length;
    return this.#lastId;
  }

  #comesHome(id: number, flags: number, length: number): Arrival | string {
    const lent = this.#lent.get(id);
    if (lent?.bytes === undefined || lent.long || !lent.returnable || lent.length !== length) {
      return `block ${id} of ${length} bytes came home, and was not out`;
    }
    if (flags !== (lent.sealed ? HOME | SEALED : HOME))
      return `block ${id} came home with the flags ${flags}`;
    lent.returnable = false;
    return { id, flags, length, bytes: lent.bytes, have: lent.sealed ? length : 0 };
  }

  /** A block of the peer's is not here any more. */
  #letGo(id: number, length: number): void {
    if (this.#held.delete(id)) this.#heldBytes -= length;
  }

  /** There was too little: the peer may have given back something by now. */
  #comesBack(fits: () => boolean): boolean {
    this.#host.poll();
    if (fits()) return true;
    this.#cameBack = false;
    return false;
  }

  #came(): void {
    this.#cameBack = true;
    if (this.#wanted) this.#tell();
  }

  #tell(): void {
    this.#memoryDue = true;
    this.#host.schedule();
  }
}

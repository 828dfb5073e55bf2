import { type Block, forget, leaseOf, makeBlock } from "../../bulk/block.js";
import { HeldLease, Holdings } from "../../bulk/holdings.js";
import type { Lease } from "../../bulk/lease.js";
import { isChecked } from "../../bulk/mapping.js";
import { Pool, type PoolSegment, SlotLease } from "../../bulk/pool.js";
import { SharedLease, type SharedMemory } from "../../bulk/shared.js";
import { MOST_SEGMENTS } from "../../bulk/size-classes.js";
import { emptyList, type Scratch } from "../../codec/codec.js";
import { BlockError, BlockTooLargeError, type RingbellError } from "../../errors.js";
import type { Binding, NativeConnection, Segment } from "../../native/binding.js";
import {
  type BulkStats,
  ENDED,
  FULL,
  LONG_WINDOW,
  NO_MEMORY,
  SENT,
  type SendStatus,
  type TransportBulk,
  type TransportLane,
} from "../contract.js";
import { COMES_HOME, type Handle, readTable } from "../records/handle-table.js";
import { type BlocksKind, IN_BLOCK, PLAIN, RECORD_HEADER, recordBytes } from "../records/record-layout.js";

/*
 * Blocks in shared memory. Each side makes segments and lends slots of them to the other; what passes between the two about it
 * goes over a lane of its own, the bulk lane. Nobody waits for that lane in the ordinary course of things: the owner
 * looks for what was returned when it needs memory, and the other side looks for new segments when it meets one that it does not know.
 * So handing blocks around costs no wake-up but that of the message itself.
 */

/** Records on the bulk lane: their first word. All words are 32 bits. */
const ANNOUNCE = 1;
const RETURN = 2;
const RETIRE = 3;
/** The flags of an announcement. */
const IMMUTABLE = 1;
const SHARED = 2;

const MOST = 0x7fff_ffff;
/** When (ms) to try again to pass a descriptor that the kernel did not take. */
const RETRY = 10;
/** So long (ms) after it gave something back, a side rings once, so that memory that the owner does not need can go. */
const REMIND_AFTER = 2500;
/** A side that only ever releases looks at the bulk lane once in so many times. */
const LOOK_AFTER = 256;

/** What the connection lends to its bulk part. */
export interface BulkHost {
  /** Why nothing goes any more, after `end`. */
  whyEnded(): RingbellError;
  /** Whether nothing comes from the peer any more, also if its end was not told yet. */
  hasEnded(): boolean;
  onMemory(): void;
}

/** How long (ms) a thread may block before it looks at the bulk lane, which it does not come to do in its event loop. */
export const LONGEST_BLOCK_OF_THREAD = 50;

/** The bulk lane, with what only shared memory has. */
export interface BulkLane extends TransportLane {
  /** As `drainWait`, and nothing else is done meanwhile. */
  drainBlocked(max: number, timeout: number): number;
  /** Records are looked for at a bell only, whatever it rings for. */
  wantAtTheBell(): void;
}

type MutableHandle = { -readonly [Key in keyof Handle]: Handle[Key] };

/** Memory of another connection that the peer of this one knows. */
interface Adopted {
  readonly id: number;
  readonly memory: SharedMemory;
  /** Handles in the hands of the peer. */
  lent: number;
  /** To be called when the memory is freed. */
  readonly freed: () => void;
}

export class ShmBulk implements TransportBulk {
  readonly mode = "shared";
  readonly limit: number;
  /** What the peer did wrong, in words. */
  fault: string | undefined;
  readonly #binding: Binding;
  readonly #native: NativeConnection;
  readonly #lane: BulkLane;
  readonly #resizable: boolean;
  readonly #host: BulkHost;
  readonly #pool: Pool;
  readonly #holdings: Holdings;
  readonly #adopted = new Map<SharedMemory, Adopted>();
  readonly #adoptedById = new Map<number, Adopted>();
  /** Records that wait for room in the bulk lane. */
  readonly #waiting: (readonly number[])[] = [];
  /** Whether the peer was asked for room since one of them went out. */
  #asked = false;
  /** Segments that the peer knows, and their bytes. */
  #announcedSegments = 0;
  #announcedBytes = 0;
  #wanted = false;
  #telling = false;
  #returns = 0;
  #reminder: NodeJS.Timeout | undefined;
  #ended = false;
  #sentBlocks = 0;
  #receivedBlocks = 0;
  /** The handles of the message that is being sent are the first `handleCount` of these; the objects are used again. */
  readonly handles: MutableHandle[] = [];
  handleCount = 0;
  /** Copies that stand in for blocks of the message that is being sent. */
  readonly #copies = new Map<Lease, SlotLease>();
  #copiedBytes = 0;

  /** `newName`: names for shm_open; undefined: sealed memory. */
  constructor(
    binding: Binding,
    native: NativeConnection,
    lane: BulkLane,
    limit: number,
    newName: (() => string) | undefined,
    host: BulkHost,
  ) {
    this.#binding = binding;
    this.#native = native;
    this.#lane = lane;
    this.#resizable = newName !== undefined;
    this.#host = host;
    const checked = isChecked();
    this.#pool = new Pool(binding, newName, limit, checked, {
      onFree: () => this.#tellMemory(),
      onRetire: (segment) => this.#retire(segment.id, segment.mapping.bytes),
    });
    this.limit = limit;
    this.#holdings = new Holdings(this.#pool.limit, checked, binding.detach, (id, slot, shared) =>
      this.#giveBack(id, slot, shared),
    );
    lane.wantAtTheBell();
  }

  allocate(bytes: number): Block | undefined {
    this.#mustLive(bytes);
    const block = this.#there(bytes) ?? (this.#pool.grow(bytes) ? this.#there(bytes) : undefined);
    return block ?? this.#none();
  }

  async allocateSoon(bytes: number): Promise<Block | undefined> {
    this.#mustLive(bytes);
    const block = this.#there(bytes);
    if (block !== undefined) return block;
    const grown = await this.#pool.growSoon(bytes);
    this.#mustLive(bytes);
    return (grown ? this.#there(bytes) : undefined) ?? this.#none();
  }

  admitsLong(bytes: number): boolean {
    const pool = this.#pool;
    const fits = () => pool.longBytes === 0 || pool.longBytes + bytes <= LONG_WINDOW;
    if (fits()) return true;
    this.#look();
    return fits();
  }

  wantMemory(): void {
    this.#wanted = true;
    if (this.#ended) this.#tellMemory();
    else this.#lane.wantRecords(true);
  }

  waitMemory(timeout: number): void {
    this.sendWaiting();
    const longest = this.#waiting.length > 0 ? LONGEST_BLOCK_OF_THREAD : timeout;
    this.#take(this.#lane.drainBlocked(MOST, Math.min(timeout, longest)));
  }

  /** Whether there may be something to do on the bulk lane, on which the peer could depend. */
  get isBusy(): boolean {
    return this.#pool.lent > 0 || this.#adopted.size > 0 || this.#waiting.length > 0;
  }

  get hasEnded(): boolean {
    return this.#host.hasEnded();
  }

  /** For a thread that blocks: does what is to be done on the bulk lane. */
  attend(): void {
    this.sendWaiting();
    this.#look();
  }

  stats(): BulkStats {
    this.#look();
    const pool = this.#pool;
    return {
      mode: this.mode,
      limit: this.limit,
      allocatedBytes: pool.allocatedBytes,
      ownBlocks: pool.own,
      lentBlocks: pool.lent + [...this.#adopted.values()].reduce((sum, { lent }) => sum + lent, 0),
      heldBlocks: this.#holdings.held,
      heldBytes: this.#holdings.mappedBytes,
      sentBlocks: this.#sentBlocks,
      receivedBlocks: this.#receivedBlocks,
      copiedBytes: this.#copiedBytes,
    };
  }

  /**
   * Makes handles of the blocks, announcing their segments where the peer does not know them. SENT, and `handles` is what to send;
   * or why not. Throws a BlockError for a block of another channel.
   */
  prepare(kind: BlocksKind, blocks: readonly Block[]): SendStatus {
    if (this.#ended) return ENDED;
    if (kind === IN_BLOCK && !this.admitsLong(blocks[0]!.byteLength)) return NO_MEMORY;
    this.handleCount = 0;
    this.abandon();
    for (let i = 0; i < blocks.length; i++) {
      const block = blocks[i]!;
      if (blocks.indexOf(block) !== i) throw new BlockError("a block stands twice in one message");
      const status = this.#handleOf(leaseOf(block));
      if (status === SENT) continue;
      this.abandon();
      return status;
    }
    // A segment that the peer has not heard of yet.
    if (this.#waiting.length > 0 && this.#waiting.some(([type]) => type === ANNOUNCE)) {
      this.abandon();
      return NO_MEMORY;
    }
    return SENT;
  }

  /** What was prepared is not sent. */
  abandon(): void {
    if (this.#copies.size === 0) return;
    for (const copy of this.#copies.values()) copy.release();
    this.#copies.clear();
  }

  /** The blocks went out. */
  commit(kind: BlocksKind, blocks: readonly Block[]): void {
    for (let i = 0; i < blocks.length; i++) {
      const block = blocks[i]!;
      const lease = leaseOf(block);
      forget(block);
      if (lease instanceof SlotLease) this.#pool.sent(lease, kind === IN_BLOCK && i === 0);
      else if (lease instanceof HeldLease && lease.holdings === this.#holdings)
        this.#holdings.sentHome(lease);
      else if (lease instanceof SharedLease) {
        lease.sent();
        this.#adopted.get(lease.memory)!.lent++;
      } else {
        this.#pool.sent(this.#copies.get(lease)!);
        this.#copiedBytes += lease.length;
        lease.release();
      }
    }
    if (this.#copies.size > 0) this.#copies.clear();
    this.#sentBlocks += blocks.length;
  }

  /** As TransportLane.takeBlocks. */
  take(scratch: Scratch, at: number): number {
    const { blocks } = scratch;
    emptyList(blocks);
    const table = readTable(scratch, at);
    if (table === undefined) return this.#wrong("a table of blocks can't be");
    for (const handle of table.handles) {
      const lease = this.#leaseFor(handle);
      if (lease === undefined) {
        for (const block of blocks.splice(0)) block!.release();
        return this.#wrong("a block was handed over that can't be");
      }
      blocks.push(makeBlock(lease));
    }
    this.#receivedBlocks += blocks.length;
    return table.bytes;
  }

  /** The transport: `count` records of the bulk lane stand in its inbox. */
  onRecords(count: number): void {
    this.#take(count);
    this.#look();
  }

  /** The transport: there is room in the bulk lane. */
  onRoom(): void {
    this.#asked = false;
    this.sendWaiting();
    this.#tellMemory();
  }

  /** The peer is gone. What it announced is mapped now, for there may be messages that need it. */
  lookLast(): void {
    this.#look();
  }

  /** The peer is gone and all that came from it was taken, or this side is about to close: what was lent is ours again. */
  end(): void {
    if (this.#ended) return;
    this.#look();
    this.#ended = true;
    clearTimeout(this.#reminder);
    this.#waiting.length = 0;
    this.#pool.end();
    const adopted = [...this.#adopted.values()];
    this.#adopted.clear();
    this.#adoptedById.clear();
    for (const { memory, lent, freed } of adopted) {
      // It may live much longer than this connection.
      memory.offFree(freed);
      for (let i = 0; i < lent; i++) memory.drop();
    }
    if (!this.#wanted) return;
    this.#wanted = false;
    this.#host.onMemory();
  }

  /** No more messages will be taken. */
  close(): void {
    this.end();
    this.#holdings.end();
  }

  #mustLive(bytes: number): void {
    // No look at whether the peer is still there: that is a call into the addon, and it may be gone right after.
    if (this.#ended) throw this.#host.whyEnded();
    if (bytes > this.limit || this.limit === 0) throw new BlockTooLargeError(this.limit, bytes);
  }

  /** There is no room; and there will not be any if the peer is gone, which a thread that blocks is not told. */
  #none(): undefined {
    if (this.#host.hasEnded()) throw this.#host.whyEnded();
  }

  /** A block in memory that is there, after a look at what was returned. */
  #there(bytes: number): Block | undefined {
    let lease = this.#pool.take(bytes);
    if (lease === undefined && (this.#pool.lent > 0 || this.#adopted.size > 0)) {
      this.#look();
      lease = this.#pool.take(bytes);
    }
    return lease === undefined ? undefined : makeBlock(lease);
  }

  #handleOf(lease: Lease): SendStatus {
    if (lease instanceof SlotLease && lease.pool === this.#pool) {
      const { segment, slot, length } = lease;
      if (!segment.announced) {
        const status = this.#announceOwn(segment);
        if (status !== SENT) return status;
      }
      this.#note(segment.id, slot, 0, length);
      return SENT;
    }
    if (lease instanceof HeldLease && lease.holdings === this.#holdings) {
      const { segment, slot, length } = lease;
      this.#note(segment.id, slot, COMES_HOME, length);
      return SENT;
    }
    if (lease instanceof SharedLease) {
      const adopted = this.#adopt(lease.memory);
      if (typeof adopted === "number") return adopted;
      this.#note(adopted.id, 0, 0, lease.length);
      return SENT;
    }
    if (lease.shared) return this.#copyOf(lease);
    throw new BlockError(
      "the block belongs to another channel; only a shared one (see share) can go over several, or a copy of it",
    );
  }

  #note(segment: number, slot: number, flags: number, bytes: number): void {
    const handle = this.handles[this.handleCount];
    if (handle === undefined) {
      this.handles.push({ segment, slot, flags, bytes });
    } else {
      handle.segment = segment;
      handle.slot = slot;
      handle.flags = flags;
      handle.bytes = bytes;
    }
    this.handleCount++;
  }

  /** A handle of a shared block that this connection can't show to the peer: of a stream, or received by another one. */
  #copyOf(lease: Lease): SendStatus {
    const pool = this.#pool;
    const { length } = lease;
    if (length > this.limit) throw new BlockTooLargeError(this.limit, length);
    const copy = pool.take(length) ?? (pool.grow(length) ? pool.take(length) : undefined);
    if (copy === undefined) return NO_MEMORY;
    this.#copies.set(lease, copy);
    copy.bytes.set(lease.bytes);
    return this.#handleOf(copy);
  }

  #announceOwn(segment: PoolSegment): SendStatus {
    const { id, mapping, slots, slotBytes } = segment;
    const status = this.#announce(id, mapping.segment, slots, slotBytes, 0);
    if (status !== SENT) return status;
    segment.announced = true;
    // Nobody else will ever be told of it.
    mapping.segment.closeDescriptor();
    return SENT;
  }

  #adopt(memory: SharedMemory): Adopted | SendStatus {
    const known = this.#adopted.get(memory);
    if (known !== undefined) return known;
    const id = this.#pool.newId();
    const { mapping, sealed } = memory;
    const status = this.#announce(id, mapping.segment, 1, mapping.bytes, SHARED | (sealed ? IMMUTABLE : 0));
    if (status !== SENT) return status;
    const adopted: Adopted = { id, memory, lent: 0, freed: () => this.#disown(adopted) };
    this.#adopted.set(memory, adopted);
    this.#adoptedById.set(id, adopted);
    memory.onFree(adopted.freed);
    return adopted;
  }

  /** The peer has no handle of it, and need not know it any longer. */
  #disown({ id, memory, freed }: Adopted): void {
    memory.offFree(freed);
    this.#adopted.delete(memory);
    this.#adoptedById.delete(id);
    this.#retire(id, memory.mapping.bytes);
    // Who waits to announce something has room for it now.
    this.#tellMemory();
  }

  /** Whether the peer may be told of so many bytes more; it maps no more than was agreed. Makes room by what it does not hold. */
  #hasRoom(bytes: number): boolean {
    const fits = () =>
      this.#announcedBytes + bytes <= this.#pool.limit && this.#announcedSegments < MOST_SEGMENTS;
    if (fits()) return true;
    this.#look();
    for (const adopted of [...this.#adopted.values()]) {
      if (fits()) return true;
      const isInMessage = this.handles.some(
        ({ segment }, i) => i < this.handleCount && segment === adopted.id,
      );
      if (adopted.lent === 0 && !isInMessage) this.#disown(adopted);
    }
    if (!fits()) this.#pool.reclaim(Number.POSITIVE_INFINITY);
    return fits();
  }

  #announce(id: number, segment: Segment, slots: number, slotBytes: number, flags: number): SendStatus {
    if (segment.bytes > this.#pool.limit) throw new BlockTooLargeError(this.limit, segment.bytes);
    if (!this.#hasRoom(segment.bytes)) return NO_MEMORY;
    if (this.#waiting.length > 0) return NO_MEMORY;
    const status = this.#pass(segment);
    if (status !== SENT) return status;
    // From here on it goes out in any case, now or later: the peer counts on the descriptors to come in the order of the announcements.
    this.#post([ANNOUNCE, id, slots, flags, slotBytes % 2 ** 32, Math.floor(slotBytes / 2 ** 32)]);
    this.#announcedSegments++;
    this.#announcedBytes += segment.bytes;
    return SENT;
  }

  #pass(segment: Segment): SendStatus {
    try {
      if (this.#native.pass(segment)) return SENT;
    } catch {
      // The peer has gone, and the transport will hear of it.
      return ENDED;
    }
    // Too many are on their way, and nothing tells when they have arrived.
    setTimeout(() => this.#tellMemory(), RETRY).unref();
    return NO_MEMORY;
  }

  #leaseFor({ segment, slot, flags, bytes }: Handle): Lease | undefined {
    if (flags === COMES_HOME) {
      const adopted = this.#adoptedById.get(segment);
      if (adopted === undefined) return this.#pool.cameHome(segment, slot, bytes);
      if (adopted.lent === 0 || slot !== 0 || bytes !== adopted.memory.length) return undefined;
      adopted.lent--;
      return adopted.memory.leaseForReturned();
    }
    if (!this.#holdings.has(segment)) this.#look();
    return this.#holdings.take(segment, slot, bytes);
  }

  #giveBack(id: number, slot: number, shared: boolean): void {
    this.#post([RETURN, id, slot]);
    // Its memory may belong to another connection of the peer, on which nobody knows that this one has news.
    if (shared && !this.#ended) this.#native.ring();
    if (++this.#returns % LOOK_AFTER === 0) this.#look();
    if (this.#reminder === undefined && !this.#ended) this.#remindLater();
  }

  #remindLater(): void {
    this.#reminder = setTimeout(() => {
      this.#reminder = undefined;
      this.#native.ring();
    }, REMIND_AFTER).unref();
  }

  #retire(id: number, bytes: number): void {
    this.#announcedSegments--;
    this.#announcedBytes -= bytes;
    if (this.#ended) return;
    this.#post([RETIRE, id]);
    // It may be asleep for long, and the memory is not free before it lets go.
    this.#native.ring();
  }

  /** Sends a record, now or when there is room for it, in order. */
  #post(words: readonly number[]): void {
    if (this.#ended) return;
    if (this.#waiting.length > 0) {
      this.#waiting.push(words);
      return;
    }
    if (this.#send(words) !== FULL) return;
    this.#waiting.push(words);
    this.#askForRoom();
  }

  /** Sends what waits for room in the bulk lane, as far as there is some. */
  sendWaiting(): void {
    if (this.#waiting.length === 0) return;
    let sent = 0;
    let status: SendStatus = SENT;
    while (sent < this.#waiting.length && status !== FULL) {
      status = this.#send(this.#waiting[sent]!);
      if (status !== FULL) sent++;
    }
    if (sent > 0) this.#asked = false;
    this.#waiting.splice(0, sent);
    if (this.#waiting.length > 0) this.#askForRoom();
  }

  /** The peer does not look at the bulk lane by itself; a bell makes it. */
  #askForRoom(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#lane.wantRoom();
    this.#native.ring();
  }

  #send(words: readonly number[]): SendStatus {
    const { outbox } = this.#lane;
    let at = RECORD_HEADER >> 2;
    for (const word of words) outbox.words[at++] = word;
    return this.#lane.send(words.length * 4);
  }

  /** Takes what has come over the bulk lane. */
  #look(): void {
    if (this.#ended) return;
    for (let count = this.#lane.drain(MOST); count > 0; count = this.#lane.drain(MOST)) this.#take(count);
  }

  #take(count: number): void {
    const { inbox } = this.#lane;
    let returned = false;
    for (let at = 0, left = count; left > 0 && this.fault === undefined; left--) {
      const bytes = inbox.words[at >> 2]!;
      const first = (at + RECORD_HEADER) >> 2;
      const plain = inbox.words[(at >> 2) + 1]! === PLAIN;
      if (!plain || !this.#understand(inbox, first, bytes)) {
        this.#wrong("a record of the bulk lane can't be");
        break;
      }
      if (inbox.words[first] === RETURN) returned = true;
      at += recordBytes(bytes);
    }
    if (returned) this.#tellMemory();
  }

  #understand({ words }: Scratch, first: number, bytes: number): boolean {
    const word = (index: number) => words[first + index]! >>> 0;
    const type = bytes >= 8 ? word(0) : 0;
    const id = word(1);
    if (type === RETURN && bytes === 12) {
      return this.#returned(id, word(2)) || this.#fails("a block came back that was not lent");
    }
    if (type === RETIRE && bytes === 8) {
      return (
        this.#holdings.retire(id) || this.#fails("a segment was taken away that is in use, or that is none")
      );
    }
    if (type === ANNOUNCE && bytes === 24) {
      const flags = word(3);
      const slotBytes = word(4) + word(5) * 2 ** 32;
      return this.#announced(id, word(2), slotBytes, flags);
    }
    return false;
  }

  #returned(id: number, slot: number): boolean {
    const adopted = this.#adoptedById.get(id);
    if (adopted === undefined) return this.#pool.returned(id, slot);
    if (adopted.lent === 0 || slot !== 0) return false;
    adopted.lent--;
    adopted.memory.drop();
    return true;
  }

  #announced(id: number, slots: number, slotBytes: number, flags: number): boolean {
    if (flags > (SHARED | IMMUTABLE)) return this.#fails("an announcement has flags that are none");
    const sealed = (flags & IMMUTABLE) !== 0;
    const announcement = { id, slots, slotBytes, sealed, shared: (flags & SHARED) !== 0 };
    const refused = this.#holdings.refuses(announcement);
    if (refused !== undefined) return this.#fails(refused);
    try {
      const descriptor = this.#native.takeDescriptor();
      if (descriptor < 0) return this.#fails("no descriptor came with a segment");
      const bytes = this.#holdings.bytesOf(announcement);
      // A sealed one is a memfd whatever the rest is made of.
      const segment = this.#binding.segmentOpen(descriptor, bytes, this.#resizable && !sealed, sealed);
      this.#holdings.add(announcement, segment);
      return true;
    } catch (error) {
      return this.#fails(`a segment can't be mapped: ${(error as Error).message}`);
    }
  }

  #fails(what: string): false {
    this.#wrong(what);
    return false;
  }

  #wrong(what: string): -1 {
    this.fault ??= what;
    this.#native.fail();
    return -1;
  }

  /** Who waits for memory may try again, soon. */
  #tellMemory(): void {
    if (!this.#wanted || this.#telling) return;
    this.#telling = true;
    setImmediate(() => {
      this.#telling = false;
      if (!this.#wanted) return;
      this.#wanted = false;
      if (!this.#ended) this.#lane.wantAtTheBell();
      this.#host.onMemory();
    });
  }
}

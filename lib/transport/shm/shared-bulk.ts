import { type Block, makeBlock } from "../../bulk/block.js";
import { type Announcement, Holdings } from "../../bulk/holdings.js";
import type { Lease } from "../../bulk/lease.js";
import { isChecked } from "../../bulk/mapping.js";
import { Pool } from "../../bulk/pool.js";
import { SharedLease } from "../../bulk/shared-lease.js";
import { now, setImmediate } from "../../clock.js";
import type { Ending } from "../../ending.js";
import { BlockTooLargeError, type RingbellError } from "../../errors.js";
import type { Binding, NativeConnection } from "../../native/binding.js";
import { type BulkStats, LONG_WINDOW, type TransportBulk } from "../contract.js";
import type { RecordCursor } from "../records/cursor.js";
import { ArrivedTable, COMES_HOME, type Handle } from "../records/handle-table.js";
import { ENDED, NO_MEMORY, SENT, type SendStatus } from "../records/send-status.js";
import { type Delivery, deliveryOf, type Shipment } from "../records/shipment.js";
import { ownFailure } from "../wire/own-failure.js";
import { Announcements } from "./announcements.js";
import { BulkLane } from "./bulk-lane.js";
import { Departures } from "./departures.js";
import { type BlockTraffic, type RingLane, SLICE } from "./ring-lane.js";

/** The part of the connection that its blocks use. */
export interface BulkOwner {
  readonly ending: Ending;
  /** Looks whether the peer has gone; if so, `ending` has the reason afterwards. */
  look(): void;
  /** Called when this side can't go on, for a reason that is not the peer's. */
  failed(error: RingbellError): void;
  /** Called when memory may have come back. */
  onMemory(): void;
}

/**
 * The blocks of one side of a connection in shared memory. It makes segments and lends slots of them, and holds slots of the peer.
 * Longer than other files: it implements two interfaces by handing on to the parts that it owns.
 */
export class SharedBulk implements TransportBulk, BlockTraffic {
  readonly mode = "shared";
  readonly limit: number;
  readonly #binding: Binding;
  readonly #native: NativeConnection;
  readonly #named: boolean;
  readonly #owner: BulkOwner;
  readonly #lane: BulkLane;
  readonly #pool: Pool;
  readonly #holdings: Holdings;
  readonly #announcements: Announcements;
  readonly #departures: Departures;
  readonly #arrived = new ArrivedTable();
  #wanted = false;
  #telling = false;
  #receivedBlocks = 0;
  #ended = false;

  /** `newName` makes names for shm_open; undefined: sealed memory. `limit`: the most bytes that the blocks of each side may take. */
  constructor(
    binding: Binding,
    native: NativeConnection,
    lane: RingLane,
    limit: number,
    newName: (() => string) | undefined,
    owner: BulkOwner,
  ) {
    this.limit = limit;
    this.#binding = binding;
    this.#native = native;
    this.#named = newName !== undefined;
    this.#owner = owner;
    this.#lane = new BulkLane(lane, native, {
      announced: (announcement) => this.#announced(announcement),
      returned: (id, slot) => this.#returned(id, slot),
      retired: (id) => this.#holdings.retire(id),
      news: () => this.#tellMemory(),
      broken: (how) => this.#broken(how),
    });
    const checked = isChecked();
    this.#pool = new Pool(binding, newName, limit, checked, {
      onFree: () => this.#tellMemory(),
      onRetire: (segment) => this.#announcements.retire(segment.id, segment.mapping.bytes),
    });
    this.#holdings = new Holdings(this.#pool.limit, checked, (id, slot, shared) =>
      this.#lane.giveBack(id, slot, shared),
    );
    this.#announcements = new Announcements(native, this.#pool, this.#lane, limit, () => this.#tellMemory());
    this.#departures = new Departures(this.#pool, this.#holdings, this.#announcements, limit);
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
    this.#lane.look();
    return fits();
  }

  wantMemory(): void {
    this.#wanted = true;
    if (this.#ended) this.#tellMemory();
    else this.#lane.watch(true);
  }

  waitMemory(timeout: number): void {
    const until = now() + timeout;
    for (;;) {
      const waited = this.#lane.isWaiting;
      this.sendWaiting();
      // A record of ours that found room may be the announcement that the message lacked.
      if (waited && !this.#lane.isWaiting) return;
      const left = Math.max(0, until - now());
      const came = this.#lane.wait(Math.min(left, SLICE));
      if (came || left === 0 || this.#announcements.mayPassAgain || this.hasEnded()) return;
    }
  }

  hasEnded(): boolean {
    this.#owner.look();
    return this.#owner.ending.reason !== undefined;
  }

  attend(): void {
    this.#lane.attend();
    this.#pool.attend();
  }

  sendWaiting(): void {
    this.#lane.sendWaiting();
  }

  stats(): BulkStats {
    const pool = this.#pool;
    return {
      mode: this.mode,
      limit: this.limit,
      allocatedBytes: pool.allocatedBytes,
      ownBlocks: pool.own,
      lentBlocks: pool.lent + this.#announcements.lent,
      heldBlocks: this.#holdings.held,
      heldBytes: this.#holdings.mappedBytes,
      sentBlocks: this.#departures.sentBlocks,
      receivedBlocks: this.#receivedBlocks,
      copiedBytes: this.#departures.copiedBytes,
    };
  }

  ship(blocks: readonly Block[], long: boolean): Shipment | SendStatus {
    if (this.#ended) return ENDED;
    if (long && !this.admitsLong(blocks[0]!.byteLength)) return NO_MEMORY;
    const status = this.#departures.prepare(blocks, long);
    if (status !== SENT) return status;
    // If a segment's announcement waits for room, the peer does not know the segment yet.
    if (!this.#lane.isAnnouncing) return this.#departures;
    this.#departures.abandon();
    return NO_MEMORY;
  }

  receive(records: RecordCursor): Delivery | undefined {
    const table = this.#arrived;
    const wrong = table.read(records);
    if (wrong !== undefined) {
      this.#broken(wrong);
      return undefined;
    }
    const blocks: Block[] = [];
    for (let i = 0; i < table.count; i++) {
      const handle = table.handles[i]!;
      const lease = this.#leaseFor(handle);
      if (lease === undefined) {
        for (const block of blocks) block.release();
        const { segment, slot, bytes, flags } = handle;
        const kind = flags === COMES_HOME ? "came home" : "was handed over";
        this.#broken(
          `a block of ${bytes} bytes in slot ${slot} of segment ${segment} ${kind}; the ledger has no such block`,
        );
        return undefined;
      }
      blocks.push(makeBlock(lease));
    }
    this.#receivedBlocks += blocks.length;
    return deliveryOf(records, table.bytes, blocks);
  }

  /** Called by the transport when records of the bulk lane stand at its cursor. */
  onRecords(): void {
    this.#lane.onRecords();
  }

  /** Called by the transport when there is room in the bulk lane. */
  onRoom(): void {
    this.#lane.onRoom();
  }

  /** Maps, after the peer is gone, the segments that it announced: messages that need them may be left. */
  lookLast(): void {
    this.#lane.look();
  }

  /** Called when nothing more will come or go. Lent blocks are this side's again. */
  end(): void {
    if (this.#ended) return;
    this.#lane.look();
    this.#ended = true;
    this.#lane.end();
    this.#pool.end();
    this.#announcements.end();
    if (!this.#wanted) return;
    this.#wanted = false;
    this.#owner.onMemory();
  }

  /** Called when no more messages will be taken. */
  close(): void {
    this.end();
    this.#holdings.end();
  }

  #mustLive(bytes: number): void {
    // The peer is not looked for here: that is a call into the addon, and the peer may go right after.
    if (this.#ended) throw this.#owner.ending.error;
    if (bytes > this.limit || this.limit === 0) throw new BlockTooLargeError(this.limit, bytes);
  }

  /** Returns undefined: there is no room. Throws if the peer is gone, because a thread that blocks does not learn that otherwise. */
  #none(): undefined {
    if (this.hasEnded()) throw this.#owner.ending.error;
  }

  /** Makes a block in present memory, after a look for returned slots if that is needed. */
  #there(bytes: number): Block | undefined {
    let lease = this.#pool.take(bytes);
    if (lease === undefined && (this.#pool.lent > 0 || this.#announcements.hasAdopted)) {
      this.#lane.look();
      lease = this.#pool.take(bytes);
    }
    return lease === undefined ? undefined : makeBlock(lease);
  }

  /** Returns the lease for a handle of the peer, or undefined if the ledgers know no such block. */
  #leaseFor({ segment, slot, flags, bytes }: Handle): Lease | undefined {
    if (flags === COMES_HOME) {
      const adopted = this.#announcements.byId(segment);
      if (adopted === undefined) return this.#pool.cameHome(segment, slot, bytes);
      if (adopted.lent === 0 || slot !== 0 || bytes !== adopted.memory.length) return undefined;
      adopted.lent--;
      return new SharedLease(adopted.memory);
    }
    if (!this.#holdings.has(segment)) this.#lane.look();
    return this.#holdings.take(segment, slot, bytes);
  }

  #returned(id: number, slot: number): boolean {
    const adopted = this.#announcements.byId(id);
    if (adopted === undefined) return this.#pool.returned(id, slot);
    if (adopted.lent === 0 || slot !== 0) return false;
    adopted.lent--;
    adopted.memory.drop();
    return true;
  }

  /**
   * Maps a segment of the peer. Returns what the peer did wrong, if it must not be mapped. If this process has
   * no descriptor or mapping left, the connection ends for that: the descriptor does not come again.
   */
  #announced(announcement: Announcement): string | undefined {
    const refused = this.#holdings.refuses(announcement);
    if (refused !== undefined) return refused;
    const { id, sealed } = announcement;
    try {
      const descriptor = this.#native.takeDescriptor();
      if (descriptor < 0) return `no descriptor came with segment ${id}`;
      const bytes = this.#holdings.bytesOf(announcement);
      // Sealed memory is always a memfd, even if other segments have names.
      const segment = this.#binding.segmentOpen(descriptor, bytes, this.#named && !sealed, sealed);
      this.#holdings.add(announcement, segment);
      return undefined;
    } catch (error) {
      const text = `segment ${id} of the peer could not be mapped`;
      const ours = isPeersFault(error) ? undefined : ownFailure(error, text);
      if (ours === undefined) return `${text}: ${(error as Error).message}`;
      this.#owner.failed(ours);
      return undefined;
    }
  }

  #broken(how: string): void {
    // This side has failed before: the peer is not to blame for the consequences.
    if (this.#owner.ending.reason !== undefined) return;
    this.#owner.ending.peerBroke(how);
    this.#native.fail();
  }

  /** Lets waiting allocations try again soon: memory may have come back. */
  #tellMemory(): void {
    if (!this.#wanted || this.#telling) return;
    this.#telling = true;
    setImmediate(() => {
      this.#telling = false;
      if (!this.#wanted) return;
      this.#wanted = false;
      this.#lane.watch(false);
      this.#owner.onMemory();
    });
  }
}

/**
 * Returns whether a segment could not be mapped because the peer made it so. The addon refuses a file that is
 * not as agreed with EINVAL. The kernel refuses to map a file that can't be written, or read, with EACCES or
 * EPERM.
 */
function isPeersFault(error: unknown): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return (
    code === "EINVAL" || (syscall === "mmap" && code !== "ENOMEM" && code !== "EAGAIN" && code !== "ENFILE")
  );
}

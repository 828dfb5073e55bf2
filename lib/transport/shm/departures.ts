import { type Block, forget, leaseOf } from "../../bulk/block.js";
import type { HeldLease, Holdings } from "../../bulk/holdings.js";
import type { Lease } from "../../bulk/lease.js";
import type { Pool } from "../../bulk/pool.js";
import type { SharedLease } from "../../bulk/shared-lease.js";
import type { SlotLease } from "../../bulk/slot-lease.js";
import { BlockError, BlockTooLargeError } from "../../errors.js";
import { COMES_HOME, HandleList } from "../records/handle-table.js";
import { NO_MEMORY, SENT, type SendStatus } from "../records/send-status.js";
import type { Shipment } from "../records/shipment.js";
import type { Adopted, Announcements } from "./announcements.js";

/**
 * The blocks of the message that is being sent. The ledger of each block decides how it is sent. This side's
 * memory is lent, and the peer's memory goes home. Shared memory gets one more holder, or goes as a copy if
 * the peer can't map it.
 */
export class Departures extends HandleList implements Shipment {
  sentBlocks = 0;
  copiedBytes = 0;
  readonly #pool: Pool;
  readonly #holdings: Holdings;
  readonly #announcements: Announcements;
  readonly #limit: number;
  #blocks: readonly Block[] = [];
  /** Whether the message lies in the first block. */
  #long = false;
  /** Copies that stand in for blocks. */
  readonly #copies = new Map<Lease, SlotLease>();
  readonly #inUse = (id: number): boolean =>
    this.handles.some(({ segment }, i) => i < this.count && segment === id);

  /** `limit`: the longest block in bytes. */
  constructor(pool: Pool, holdings: Holdings, announcements: Announcements, limit: number) {
    super();
    this.#pool = pool;
    this.#holdings = holdings;
    this.#announcements = announcements;
    this.#limit = limit;
  }

  /** Makes handles of the blocks, and announces the segments that the peer does not know. */
  prepare(blocks: readonly Block[], long: boolean): SendStatus {
    this.clear();
    this.abandon();
    for (let i = 0; i < blocks.length; i++) {
      const block = blocks[i]!;
      if (blocks.indexOf(block) !== i) throw new BlockError("a block stands twice in one message");
      const status = this.#add(leaseOf(block));
      if (status === SENT) continue;
      this.abandon();
      return status;
    }
    this.#blocks = blocks;
    this.#long = long;
    return SENT;
  }

  commit(): void {
    const blocks = this.#blocks;
    for (let i = 0; i < blocks.length; i++) {
      const block = blocks[i]!;
      const lease = leaseOf(block);
      forget(block);
      this.#depart(lease, this.#long && i === 0);
    }
    if (this.#copies.size > 0) this.#copies.clear();
    this.sentBlocks += blocks.length;
    this.#blocks = [];
  }

  abandon(): void {
    this.#blocks = [];
    if (this.#copies.size === 0) return;
    for (const copy of this.#copies.values()) copy.release();
    this.#copies.clear();
  }

  #add(lease: Lease): SendStatus {
    switch (lease.ledger) {
      case this.#pool:
        return this.#addOwn(lease as SlotLease);
      case this.#holdings: {
        const { segment, slot, length } = lease as HeldLease;
        this.add(segment.id, slot, COMES_HOME, length);
        return SENT;
      }
    }
    if (lease.memory !== undefined) {
      const adopted = this.#announcements.adopt(lease.memory, this.#inUse);
      if (typeof adopted === "number") return adopted;
      this.add(adopted.id, 0, 0, lease.length);
      return SENT;
    }
    if (lease.shared) return this.#addCopy(lease);
    throw new BlockError(
      "the block belongs to another channel; send a shared block (see share) over several channels, or a copy",
    );
  }

  #addOwn({ segment, slot, length }: SlotLease): SendStatus {
    const status = this.#announcements.announceOwn(segment, this.#inUse);
    if (status === SENT) this.add(segment.id, slot, 0, length);
    return status;
  }

  /** Adds a copy of a shared block that the peer can't map: a block of a stream, or one that another connection received. */
  #addCopy(lease: Lease): SendStatus {
    const pool = this.#pool;
    const { length } = lease;
    if (length > this.#limit) throw new BlockTooLargeError(this.#limit, length);
    const copy = pool.take(length) ?? (pool.grow(length) ? pool.take(length) : undefined);
    if (copy === undefined) return NO_MEMORY;
    this.#copies.set(lease, copy);
    copy.bytes.set(lease.bytes);
    return this.#addOwn(copy);
  }

  /** Hands the block of the lease over to the peer. */
  #depart(lease: Lease, long: boolean): void {
    switch (lease.ledger) {
      case this.#pool:
        this.#pool.sent(lease as SlotLease, long);
        return;
      case this.#holdings:
        this.#holdings.sentHome(lease as HeldLease);
        return;
    }
    if (lease.memory !== undefined) {
      (lease as SharedLease).sent();
      (this.#announcements.byMemory(lease.memory) as Adopted).lent++;
      return;
    }
    this.#pool.sent(this.#copies.get(lease)!);
    this.copiedBytes += lease.length;
    lease.release();
  }
}

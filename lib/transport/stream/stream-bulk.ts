import { type Block, leaseOf, makeBlock } from "../../bulk/block.js";
import type { Lease } from "../../bulk/lease.js";
import { PrivateLease, PrivateLedger } from "../../bulk/private.js";
import { type PrivateBytes, PrivateMemory } from "../../bulk/private-memory.js";
import { BlockError, BlockTooLargeError } from "../../errors.js";
import { type BulkStats, type ConnectionHandler, LONG_WINDOW, type TransportBulk } from "../contract.js";
import { ENDED, NO_MEMORY, type SendStatus } from "../records/send-status.js";
import type { Shipping } from "../records/shipment.js";
import { Breach } from "./breach.js";
import { FREED, SEALED, SHARED } from "./frame-layout.js";
import type { StreamHost } from "./host.js";
import { Outgoing } from "./outgoing.js";
import { Tally } from "./tally.js";
import { u64 } from "./writer.js";

/*
 * Blocks whose bytes are sent. The receiver's block is its own, in private memory; this side's memory is free as soon as the bytes are with the
 * wire. A block that is sent back is a new block.
 *
 * The limit is a credit, which the receiver grants: of what was sent, no more than that is there, in bytes and in number, which the peer's program
 * has not released. So a side counts what it sent until a FREED frame tells of it, and what it received until it has written such a frame:
 * before the peer can know of it, so that what comes next is never too much.
 */

/**
 * An empty block takes memory, too: each counts for so many bytes at least when their number is limited; but so many may be there in any case, and
 * never more than so many.
 */
const LEAST_BYTES = 64;
const FEWEST_BLOCKS = 1024;
const MOST_BLOCKS = 1 << 20;

/** A block that arrives. */
export interface Arrival {
  readonly flags: number;
  readonly bytes: PrivateBytes;
  /** How many of the bytes are here. */
  have: number;
}

/** The blocks of one side of a stream. */
export class StreamBulk implements TransportBulk, Shipping {
  readonly mode = "copied";
  readonly limit: number;
  /** Undefined before the start and after the end: then nobody is told anything. */
  handler: ConnectionHandler | undefined;
  /** As many blocks of each side. */
  readonly #most: number;
  readonly #host: StreamHost;
  readonly #memory: PrivateMemory;
  /** Blocks of this side in the hands of its program. */
  readonly #own = new Tally();
  /** Blocks sent that the peer has not released; and those of them of which it has been told all. */
  readonly #lent = new Tally();
  readonly #told = new Tally();
  /** Blocks of the peer, from their first frame on; and released ones of which it has not been told. */
  readonly #held = new Tally();
  readonly #freed = new Tally();
  /** Where the blocks of the program stand: its own, those received, and received ones in which a message lies. */
  readonly #ownLedger: PrivateLedger;
  readonly #heldLedger: PrivateLedger;
  readonly #bodyLedger: PrivateLedger;
  /** Where blocks of this side stand that were sent, until their bytes are with the wire. */
  readonly #sentLedger: PrivateLedger;
  #sentBlocks = 0;
  #receivedBlocks = 0;
  #copiedBytes = 0;
  /** Whether something came back since there was too little. */
  #cameBack = false;
  #wanted = false;

  /** `limit`: in bytes, for the blocks of each side; 0: no blocks. `checked`: see PrivateMemory. */
  constructor(host: StreamHost, limit: number, checked: boolean) {
    this.#host = host;
    this.limit = limit;
    this.#most = Math.min(MOST_BLOCKS, Math.max(FEWEST_BLOCKS, Math.floor(limit / LEAST_BYTES)));
    const memory = new PrivateMemory(checked);
    this.#memory = memory;
    this.#ownLedger = new PrivateLedger("allocated", memory, (length) => {
      this.#own.removeBlock(length, false);
      this.#came();
    });
    this.#sentLedger = new PrivateLedger("allocated", memory, () => {});
    this.#heldLedger = new PrivateLedger("received", memory, (length) => this.#release(length, false));
    this.#bodyLedger = new PrivateLedger("received", memory, (length) => this.#release(length, true));
  }

  allocate(bytes: number): Block | undefined {
    if (this.#host.outlet.ended) throw this.#host.ending.error;
    if (bytes > this.limit || this.limit === 0) throw new BlockTooLargeError(this.limit, bytes);
    const fits = () =>
      this.#own.bytes + this.#lent.bytes + bytes <= this.limit &&
      this.#own.blocks + this.#lent.blocks < this.#most;
    if (!fits() && !this.#comesBack(fits)) return undefined;
    const memory = this.#memory.take(bytes);
    this.#own.addBlock(bytes, false);
    return makeBlock(PrivateLease.of(this.#ownLedger, memory, false, false));
  }

  async allocateSoon(bytes: number): Promise<Block | undefined> {
    return this.allocate(bytes);
  }

  admitsLong(bytes: number): boolean {
    const fits = () => this.#lent.bodyBytes === 0 || this.#lent.bodyBytes + bytes <= LONG_WINDOW;
    return fits() || this.#comesBack(fits);
  }

  wantMemory(): void {
    this.#wanted = true;
    this.#host.schedule();
  }

  stats(): BulkStats {
    return {
      mode: this.mode,
      limit: this.limit,
      // What is not with the wire yet has its memory.
      allocatedBytes: this.#own.bytes + this.#lent.bytes - this.#told.bytes + this.#memory.keptBytes,
      ownBlocks: this.#own.blocks,
      lentBlocks: this.#lent.blocks,
      heldBlocks: this.#held.blocks,
      heldBytes: this.#held.bytes,
      sentBlocks: this.#sentBlocks,
      receivedBlocks: this.#receivedBlocks,
      copiedBytes: this.#copiedBytes,
    };
  }

  ship(blocks: readonly Block[], long: boolean): Outgoing | SendStatus {
    const load = new Tally();
    for (const [i, block] of blocks.entries()) {
      const lease = leaseOf(block);
      this.#mustBeSendable(lease);
      load.addBlock(lease.length, long && i === 0);
    }
    if (new Set(blocks).size < blocks.length) throw new BlockError("a block stands twice in one message");
    if (load.bytes > this.limit || this.limit === 0) throw new BlockTooLargeError(this.limit, load.bytes);
    const lent = this.#lent;
    const fits = () => lent.bytes + load.bytes <= this.limit && lent.blocks + load.blocks <= this.#most;
    const admitted = (fits() || this.#comesBack(fits)) && (!long || this.admitsLong(load.bodyBytes));
    if (admitted) return new Outgoing(this, blocks, load);
    return this.#host.outlet.ended ? ENDED : NO_MEMORY;
  }

  /** The blocks are the peer's now. */
  sends({ blocks, bytes, bodyBytes }: Tally): void {
    this.#lent.add(blocks, bytes, bodyBytes);
    this.#sentBlocks += blocks;
  }

  /** Takes the bytes of a block that is sent away from its program. */
  departs(lease: Lease): void {
    if (!this.#isOurs(lease)) return;
    lease.withdraw();
    if (lease.ledger !== this.#ownLedger || lease.shared) return;
    lease.moveTo(this.#sentLedger);
    this.#own.removeBlock(lease.length, false);
  }

  /** The record that tells of them is with the wire. */
  tells({ blocks, bytes, bodyBytes }: Tally): void {
    this.#told.add(blocks, bytes, bodyBytes);
    this.#copiedBytes += bytes;
  }

  /** The peer begins a block. Throws a Breach. */
  begins(length: number, flags: number): Arrival {
    if ((flags & ~(SEALED | SHARED)) !== 0) throw new Breach(`a block has the flags ${flags}`);
    const blocksLeft = this.#most - this.#held.blocks - this.#freed.blocks;
    const bytesLeft = this.limit - this.#held.bytes - this.#freed.bytes;
    if (length > bytesLeft || blocksLeft === 0 || this.limit === 0) {
      throw new Breach(
        `a block of ${length} bytes came, where ${bytesLeft} in ${blocksLeft} blocks are let in`,
      );
    }
    try {
      const bytes = this.#memory.take(length);
      this.#held.addBlock(length, false);
      return { flags, bytes, have: 0 };
    } catch {
      throw new Breach(`a block of ${length} bytes came, for which there is no memory`);
    }
  }

  /** A block that has arrived, for the program. */
  take({ flags, bytes }: Arrival, isBody: boolean): Block {
    this.#receivedBlocks++;
    this.#copiedBytes += bytes.length;
    const account = isBody ? this.#bodyLedger : this.#heldLedger;
    return makeBlock(PrivateLease.of(account, bytes, (flags & SEALED) !== 0, (flags & SHARED) !== 0));
  }

  /** What has arrived, or a part of it, will not be taken: the connection is ending. */
  refuse({ bytes }: Arrival): void {
    this.#heldLedger.released(bytes, bytes.length);
  }

  /** The peer says that it has released blocks. Throws a Breach. */
  peerFreed(blocks: number, bytes: number, bodyBytes: number): void {
    if (blocks === 0 || !this.#told.covers(blocks, bytes, bodyBytes)) {
      throw new Breach(
        `${blocks} blocks of ${bytes} bytes, ${bodyBytes} in bodies, were freed, and were not there`,
      );
    }
    this.#told.add(-blocks, -bytes, -bodyBytes);
    this.#lent.add(-blocks, -bytes, -bodyBytes);
    this.#came();
  }

  /** Tells the peer what was released since the last report. */
  report(): void {
    const { outlet } = this.#host;
    const { blocks, bytes, bodyBytes } = this.#freed;
    if (blocks === 0 || outlet.ended) return;
    outlet.writer.frame(FREED, 0, [...u64(bytes), ...u64(bodyBytes), blocks, 0]);
    this.#freed.clear();
  }

  /** Tells the handler what is due; false: there is nothing more. */
  tell(): boolean {
    if (this.#wanted && (this.#cameBack || this.#host.outlet.ended)) {
      this.#wanted = false;
      this.handler?.onMemory();
    }
    return false;
  }

  /** The connection is over: nothing is lent any more. What is held stays with its holders. */
  end(): void {
    this.#lent.clear();
    this.#told.clear();
    this.#memory.close();
    this.#came();
  }

  #isOurs(lease: Lease): lease is PrivateLease {
    const { ledger } = lease;
    return ledger === this.#ownLedger || ledger === this.#heldLedger || ledger === this.#bodyLedger;
  }

  #mustBeSendable(lease: Lease): void {
    if (!lease.shared && !this.#isOurs(lease)) {
      throw new BlockError(
        "the block belongs to another channel; send a shared block (see share) over several channels, or a copy",
      );
    }
    if (lease.bytes.length !== lease.length) throw new BlockError("the memory of the block was transferred");
  }

  /** A block of the peer's was released. */
  #release(length: number, isBody: boolean): void {
    this.#held.removeBlock(length, false);
    this.#freed.addBlock(length, isBody);
    this.#host.outlet.gather();
  }

  /** There was too little: the peer may have freed something by now. */
  #comesBack(fits: () => boolean): boolean {
    this.#host.look();
    if (fits()) return true;
    this.#cameBack = false;
    return false;
  }

  #came(): void {
    this.#cameBack = true;
    if (this.#wanted) this.#host.schedule();
  }
}

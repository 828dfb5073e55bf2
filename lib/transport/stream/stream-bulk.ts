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
import { type Departing, Outgoing } from "./outgoing.js";
import { Tally } from "./tally.js";
import { u64 } from "./writer.js";

/*
 * Over a stream the bytes of blocks are copied. The receiver's block is its own, in private memory. The sender's
 * memory is free as soon as the wire has the bytes. A block that is sent back is a new block.
 *
 * The limit is a credit that the receiver grants. A sender counts the blocks that it sent until a FREED frame tells
 * of their release. A receiver counts them until it has written that frame. So the receiver's count is never
 * larger than the sender's, and a sender that keeps to the limit is never refused.
 */

/** The number of blocks is limited, too, because an empty one takes memory: limit / 64, between these two numbers. */
const FEWEST_BLOCKS = 1024;
const MOST_BLOCKS = 1 << 20;
const LEAST_BYTES = 64;

/** A block that arrives. */
export interface Arrival {
  readonly flags: number;
  readonly bytes: PrivateBytes;
  /** How many of the bytes are here. */
  have: number;
}

/** The blocks of one side of a stream. */
export class StreamBulk implements TransportBulk, Shipping, Departing {
  readonly mode = "copied";
  readonly limit: number;
  /** Undefined before the start and after the end. */
  handler: ConnectionHandler | undefined;
  /** The most blocks of each side. */
  readonly #most: number;
  readonly #host: StreamHost;
  readonly #memory: PrivateMemory;
  /** Blocks that this side's program has allocated. */
  readonly #own = new Tally();
  /** Blocks sent that the peer has not released, and those of them whose record is written: only these can be released. */
  readonly #lent = new Tally();
  readonly #told = new Tally();
  /** Blocks of the peer, from their first frame on, and released ones that were not reported. */
  readonly #held = new Tally();
  readonly #freed = new Tally();
  /** The ledgers of the blocks that the program has: allocated ones, received ones, and bodies of messages. */
  readonly #ownLedger: PrivateLedger;
  readonly #heldLedger: PrivateLedger;
  readonly #bodyLedger: PrivateLedger;
  /** The ledger of sent blocks whose bytes are not with the wire. */
  readonly #sentLedger: PrivateLedger;
  /** This side, as its ledgers see it; undefined after the end. */
  readonly #link: { bulk: StreamBulk | undefined } = { bulk: this };
  #sentBlocks = 0;
  #receivedBlocks = 0;
  #copiedBytes = 0;
  /** Whether memory came back since there was too little. */
  #cameBack = false;
  #wanted = false;

  /** `limit`: the most bytes that the blocks of each side may take; 0: no blocks. `checked`: see PrivateMemory. */
  constructor(host: StreamHost, limit: number, checked: boolean) {
    this.#host = host;
    this.limit = limit;
    this.#most = Math.min(MOST_BLOCKS, Math.max(FEWEST_BLOCKS, Math.floor(limit / LEAST_BYTES)));
    const memory = new PrivateMemory(checked);
    this.#memory = memory;
    // The ledgers outlive the connection where the program keeps a block. So they know the counts and this link
    // only, and not the connection.
    const own = this.#own;
    const link = this.#link;
    this.#ownLedger = new PrivateLedger("allocated", memory, (length) => {
      own.removeBlock(length);
      link.bulk?.cameBack();
    });
    this.#sentLedger = new PrivateLedger("allocated", memory, () => {});
    this.#heldLedger = new PrivateLedger("received", memory, releaser(this.#held, false));
    this.#bodyLedger = new PrivateLedger("received", memory, releaser(this.#held, true));

    function releaser(held: Tally, isBody: boolean): (length: number) => void {
      return (length) => {
        held.removeBlock(length);
        link.bulk?.released(length, isBody);
      };
    }
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
      // Blocks whose record is not written still have their memory.
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

  sends({ blocks, bytes, bodyBytes }: Tally): void {
    this.#lent.add(blocks, bytes, bodyBytes);
    this.#sentBlocks += blocks;
  }

  departs(lease: Lease): void {
    if (!this.#isOurs(lease)) return;
    lease.withdraw();
    if (lease.ledger !== this.#ownLedger || lease.shared) return;
    lease.moveTo(this.#sentLedger);
    this.#own.removeBlock(lease.length);
  }

  tells({ blocks, bytes, bodyBytes }: Tally): void {
    this.#told.add(blocks, bytes, bodyBytes);
    this.#copiedBytes += bytes;
  }

  /** The peer begins a block. Throws a Breach, or a NoSpaceError if this process has no memory. */
  begins(length: number, flags: number): Arrival {
    if ((flags & ~(SEALED | SHARED)) !== 0) throw new Breach(`a block has the flags ${flags}`);
    const blocksLeft = this.#most - this.#held.blocks - this.#freed.blocks;
    const bytesLeft = this.limit - this.#held.bytes - this.#freed.bytes;
    if (length > bytesLeft || blocksLeft === 0 || this.limit === 0) {
      throw new Breach(
        `a block of ${length} bytes came, where ${bytesLeft} in ${blocksLeft} blocks are let in`,
      );
    }
    const bytes = this.#memory.take(length);
    this.#held.addBlock(length, false);
    return { flags, bytes, have: 0 };
  }

  /** Called by the ledgers: the program has released a block of the peer's. */
  released(length: number, isBody: boolean): void {
    this.#freed.addBlock(length, isBody);
    this.#host.outlet.gather();
  }

  /** Called by the ledgers, and when the peer has released something: memory came back. */
  cameBack(): void {
    this.#cameBack = true;
    if (this.#wanted) this.#host.schedule();
  }

  /** Makes a block of one that has arrived. */
  take({ flags, bytes }: Arrival, isBody: boolean): Block {
    this.#receivedBlocks++;
    this.#copiedBytes += bytes.length;
    const account = isBody ? this.#bodyLedger : this.#heldLedger;
    return makeBlock(PrivateLease.of(account, bytes, (flags & SEALED) !== 0, (flags & SHARED) !== 0));
  }

  /** Gives up a block that has arrived, or a part of one. */
  refuse({ bytes }: Arrival): void {
    this.#heldLedger.released(bytes, bytes.length);
  }

  /** The peer reports released blocks. Throws a Breach. */
  peerFreed(blocks: number, bytes: number, bodyBytes: number): void {
    if (blocks === 0 || !this.#told.covers(blocks, bytes, bodyBytes)) {
      throw new Breach(
        `${blocks} blocks of ${bytes} bytes, ${bodyBytes} in bodies, were reported as released and were not there`,
      );
    }
    this.#told.add(-blocks, -bytes, -bodyBytes);
    this.#lent.add(-blocks, -bytes, -bodyBytes);
    this.cameBack();
  }

  report(): void {
    const { outlet } = this.#host;
    const { blocks, bytes, bodyBytes } = this.#freed;
    if (blocks === 0 || outlet.ended) return;
    outlet.writer.frame(FREED, 0, [...u64(bytes), ...u64(bodyBytes), blocks, 0]);
    this.#freed.clear();
  }

  /** Calls the handler if `onMemory` is due. Returns false: there is no more. */
  tell(): boolean {
    if (this.#wanted && (this.#cameBack || this.#host.outlet.ended)) {
      this.#wanted = false;
      this.handler?.onMemory();
    }
    return false;
  }

  /** The connection has ended: nothing is lent. Received blocks stay with the program. */
  end(): void {
    this.#lent.clear();
    this.#told.clear();
    this.#memory.close();
    this.cameBack();
    this.#link.bulk = undefined;
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

  /** Looks whether the peer has released enough by now. */
  #comesBack(fits: () => boolean): boolean {
    this.#host.look();
    if (fits()) return true;
    this.#cameBack = false;
    return false;
  }
}

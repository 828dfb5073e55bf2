import type { Block } from "../bulk/block.js";
import type { Ending } from "../ending.js";
import type { RecordCursor } from "./records/cursor.js";
import type { Place } from "./records/place.js";
import type { SendStatus } from "./records/send-status.js";
import type { Delivery } from "./records/shipment.js";

/** What a transport is: records of bytes, in lanes, between two processes, with backpressure and one end. */

export interface LaneHandler {
  /**
   * `count` records (at least one) were drained: the lane's cursor stands before the first. The handler takes all of them, or
   * calls `wantRecords(false)` before it returns and takes the rest later: as long as records are wanted, the transport
   * may move the cursor as soon as the handler has returned (also by an exception).
   *
   * Returns whether the transport may look for more at once and call again, before microtasks and ticks have had their turn (for some
   * 50 µs at most): calling into JavaScript anew costs as much as all the rest of a short message's way. Undefined is a no.
   */
  onRecords(count: number): boolean | undefined;
  /** After `wantRoom()`: the peer has taken something. Once a call of `wantRoom()`. */
  onRoom(): void;
  /** After `wantTaken()`: the peer has taken all that was sent before. Once a call of `wantTaken()`. */
  onTaken(): void;
}

/** One pair of rings, or what behaves like one. */
export interface TransportLane {
  readonly name: string;
  /** Bytes in flight at most, each way; a power of two. */
  readonly capacity: number;
  /** The longest message that goes without a block, in bytes. */
  readonly maxBytes: number;
  /** This lane, if its thread can wait; undefined over a stream. */
  readonly blocking: BlockingLane | undefined;
  /** Where the next message is encoded. */
  readonly place: Place;
  /** The records that were drained. */
  readonly records: RecordCursor;
  /** Makes room for a message of `bytes` bytes (at most `maxBytes`) at the place, in front of which nothing is packed. Its content is lost. */
  grow(bytes: number): void;
  /** Sends the message of `bytes` bytes that stands at the place, in front of which nothing is packed. */
  send(bytes: number): SendStatus;
  /**
   * Sends the messages that were packed with one publication, as many as there is room for; returns how many went out, from the first on. The
   * place is at the beginning again. 0 once the lane has ended.
   */
  sendPacked(): number;
  /** Whether a message of `bytes` bytes fits a record together with so many blocks. */
  fits(bytes: number, blocks: number): boolean;
  /**
   * Sends the message of `bytes` bytes that stands at the place together with `blocks` (at least one, none of them gone). If it comes back
   * SENT they are the peer's, and gone; else they are as they were. Blocks the thread up to `timeout` ms while the lane has no room, if
   * the lane is a blocking one. Throws a
   * MessageTooLargeError where they do not fit a record, a BlockError for a block that belongs to another channel.
   */
  sendWithBlocks(bytes: number, blocks: readonly Block[], timeout: number): SendStatus;
  /** As `sendWithBlocks`, for a message that lies in the first `bytes` bytes of `body`, which goes along. NO_MEMORY where `admitsLong` says no. */
  sendInBlock(body: Block, bytes: number, blocks: readonly Block[], timeout: number): SendStatus;
  /**
   * What came with the record at the cursor, whose kind is not PLAIN; undefined if the record is malformed: then the connection ends.
   * To be called once for each such record, in order, and before `close`.
   */
  takeBlocks(records: RecordCursor): Delivery | undefined;
  /** Drains up to `max` records, as many as the scratch holds (at least one, growing it); the cursor stands before the first. Returns their number. */
  drain(max: number): number;
  /** Whether `onRecords` is to be called as records arrive. Off at first. Cheap to switch. */
  wantRecords(on: boolean): void;
  /** Asks for one `onRoom`. Called after a send came back FULL; if there is room by now, `onRoom` comes all the same, asynchronously. */
  wantRoom(): void;
  /** Asks for one `onTaken`, asynchronously also where everything is taken already. To be called again only after it came. */
  wantTaken(): void;
  stats(): LaneStats;
}

/** A lane whose thread can wait for the peer without the event loop: one in shared memory. */
export interface BlockingLane extends TransportLane {
  /** As `send`, but blocks the thread up to `timeout` ms (Infinity: without limit) until there is room. */
  sendWait(bytes: number, timeout: number): SendStatus;
  /** As `drain`, but blocks the thread up to `timeout` ms until there is a record. 0 in the end, or once the lane has ended and is empty. */
  drainWait(max: number, timeout: number): number;
  /** Blocks the thread until the peer has released a block, the connection has ended, or `timeout` ms have gone by. */
  waitMemory(timeout: number): void;
}

/** Counters of a lane, since it was made. */
export interface LaneStats {
  readonly name: string;
  readonly capacity: number;
  readonly sentMessages: number;
  readonly sentBytes: number;
  readonly receivedMessages: number;
  readonly receivedBytes: number;
  /** Bytes sent that the peer has not reported as taken, headers included. */
  readonly sendFill: number;
  /** Bytes that have arrived and were not drained, headers included; as far as is known without asking the peer. */
  readonly receiveFill: number;
  /** How often a send found no room. */
  readonly fullCount: number;
  /** Since when (ms since the epoch) a sender has been waiting for room, or undefined. */
  readonly blockedSince: number | undefined;
  /** Since when (ms since the epoch) the receiving side has had nothing to read, or undefined while it has. */
  readonly idleSince: number | undefined;
}

export interface ConnectionHandler {
  /**
   * Called once when the peer is gone or has broken the protocol, which `ending` tells, never after `close()`. From then on nothing is sent
   * and no lane handler is called; records that arrived before can still be had by `drain` until `close()`
   * (none after a protocol error).
   */
  onEnd(): void;
  /** After `wantMemory()`: memory for blocks may have come back. Once a call of `wantMemory()`. */
  onMemory(): void;
}

/**
 * Bytes of messages in blocks on their way at most: what the capacity of the ring is for short ones. More would not make them faster, for
 * it would not stay in the processors' caches.
 */
export const LONG_WINDOW = 4 * 1024 * 1024;

/** The memory of a connection for blocks. */
export interface TransportBulk {
  /** `shared`: blocks are handed over as they are; `copied`: their bytes are sent. */
  readonly mode: "shared" | "copied";
  /** Bytes of all blocks of this side together, those that the peer holds included; the smaller wish of the two sides. */
  readonly limit: number;
  /**
   * A block of `bytes` bytes, or undefined where there is no room under the limit now. Throws a BlockTooLargeError if there never is, a
   * NoSpaceError if the system has no memory, and after the end of the connection why it ended.
   */
  allocate(bytes: number): Block | undefined;
  /** The same, without blocking the thread where much memory must be got from the system. */
  allocateSoon(bytes: number): Promise<Block | undefined>;
  /**
   * Whether a message of `bytes` bytes can be sent IN_BLOCK now: of those that the peer has not released there are LONG_WINDOW
   * bytes at most, or one. Else `sendBlocks` returns NO_MEMORY.
   */
  admitsLong(bytes: number): boolean;
  /** Asks for one `onMemory`, asynchronously; it comes when the peer has released something, and at the end. */
  wantMemory(): void;
  stats(): BulkStats;
}

/** Counters of blocks. */
export interface BulkStats {
  /** `shared`: blocks are handed over as they are; `copied`: their bytes are sent over the socket. */
  readonly mode: "shared" | "copied";
  /** Bytes that the blocks of this side may take. */
  readonly limit: number;
  /** Bytes of memory got for blocks of this side, used or not. */
  readonly allocatedBytes: number;
  /** Blocks of this side that were allocated and neither sent nor released. */
  readonly ownBlocks: number;
  /** Blocks of this side that the peer holds, as far as this side has heard: it hears of releases when it allocates, or up to 2.5 s later. */
  readonly lentBlocks: number;
  /** Blocks of the peer that this side holds. */
  readonly heldBlocks: number;
  /** Bytes of the peer's memory that this side has mapped (or, copied, has). */
  readonly heldBytes: number;
  /** Blocks sent, received. */
  readonly sentBlocks: number;
  readonly receivedBlocks: number;
  /** Bytes of blocks that were copied on the way, in either direction. */
  readonly copiedBytes: number;
}

/** Two processes joined. */
export interface Connection {
  readonly transport: "shm" | "stream";
  /** How it ends: set as soon as the transport knows, which may be before `onEnd` comes, or by whoever calls `close()`. */
  readonly ending: Ending;
  readonly lanes: readonly TransportLane[];
  readonly bulk: TransportBulk;
  /** Installs the handlers (`lanes[i]` of the connection goes with `lanes[i]` here) and starts. Called once. No handler is called before it returns. */
  start(handler: ConnectionHandler, lanes: readonly LaneHandler[]): void;
  /**
   * Ends the connection, for `ending.reason`: what was sent before reaches the peer, which is told that this was on purpose, or
   * (after a protocol error) that it broke the protocol. Calls no handler any more; frees everything. Idempotent. Safe inside a handler.
   * Resolves when everything has been handed to the kernel or the peer, or can't be any more.
   */
  close(): Promise<void>;
  /** Frees everything at once, closed or not; what the kernel has not taken is lost. Settles `close`. Idempotent. */
  destroy(): void;
  /** Looks whether the peer has gone, without waiting for the event loop: then `ending` tells. For threads that block. */
  look(): void;
  /** Whether this connection keeps the process alive. It does at first. */
  ref(): void;
  unref(): void;
  stats(): ConnectionStats;
}

export interface ConnectionStats {
  /** Bells rung: system calls made to wake the peer. */
  readonly bells: number;
  /** Times that a receiving lane parked. */
  readonly parks: number;
  /** Messages found by the watchdog in a parked ring: 0, or a wake-up was lost. */
  readonly rescues: number;
  /** Bytes of shared memory, 0 for a stream. */
  readonly sharedBytes: number;
}

/** What was agreed about one lane in the handshake. */
export interface LaneGeometry {
  readonly name: string;
  /** Bytes of each of its two rings: a power of two, 4 KiB to 1 GiB. */
  readonly capacity: number;
}

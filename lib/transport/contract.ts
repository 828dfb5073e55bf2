import type { Block } from "../bulk/block.js";
import type { Scratch } from "../codec/codec.js";
import type { InlinePlace } from "../codec/inline.js";
import type { Ending } from "../ending.js";
import type { LatencyHistogram } from "./latency.js";
import type { RecordCursor } from "./records/cursor.js";
import type { Place } from "./records/place.js";
import type { SendStatus } from "./records/send-status.js";
import type { Delivery } from "./records/shipment.js";

/** The contract of a transport: it carries records of bytes in lanes between two processes, with backpressure and one end. */

export interface LaneHandler {
  /**
   * Called when `count` records (at least one) were drained: the lane's cursor stands before the first. The
   * handler takes all of them, or calls `wantRecords(false)` before it returns and takes the rest later. As
   * long as records are wanted, the transport may move the cursor once the handler has returned, even by an
   * exception.
   *
   * Returns whether the transport may look for more at once and call again, before microtasks and ticks have
   * had their turn, for some 50 µs at most. A new call into JavaScript costs as much as the rest of a short
   * message's way. Undefined means no.
   */
  onRecords(count: number): boolean | undefined;
  /** Called once for each `wantRoom()`, when the peer has taken something. */
  onRoom(): void;
  /** Called once for each `wantTaken()`, when the peer has taken all that was sent before. */
  onTaken(): void;
}

/**
 * The rings of a lane in shared memory, for codecs whose messages may be written and read where they are (codec/inline.ts). A message that
 * finds no way here goes by the methods of the lane; both ways may be taken in any order.
 */
export interface InlineWays {
  readonly out: InlinePlace & {
    /** Messages that wait for room: none may overtake them. The owner of the lane sets it. */
    earlier: { readonly length: number };
    /** Says that all messages will have so many bytes. */
    expect(bytes: number): void;
  };
  readonly incoming: {
    /** The ring. */
    readonly data: Scratch;
    /**
     * Takes the next record, if it is a message of `bytes` bytes and the cursor has none left. Returns where it stands in the ring, until the
     * next call of the lane; the peer could change it there. Returns 0 if nothing has arrived, and -1 if `drainSome` must look.
     */
    take(bytes: number): number;
    expect(bytes: number): void;
  };
}

/** A pair of rings, or its equivalent over a stream. */
export interface TransportLane {
  readonly name: string;
  /** The most bytes in flight, each way; a power of two. */
  readonly capacity: number;
  /** The longest message that goes without a block, in bytes. */
  readonly maxBytes: number;
  /** This lane, if its thread can wait for the peer; undefined over a stream. */
  readonly blocking: BlockingLane | undefined;
  /** The place where the next message is encoded. */
  readonly place: Place;
  /** The cursor over the records that were drained. */
  readonly records: RecordCursor;
  /**
   * Makes the place long enough for a message of `bytes` bytes (at most `maxBytes`). No messages may be
   * packed before it. The content of the place is lost.
   */
  grow(bytes: number): void;
  /**
   * Gives the place other memory, as long as now. The scratch that it had belongs to the caller: a codec is still
   * writing to it. No messages may be packed.
   */
  movePlace(): void;
  /** Sends the message of `bytes` bytes that stands at the place. No messages may be packed before it. */
  send(bytes: number): SendStatus;
  /**
   * Sends the packed messages with one publication, as many as there is room for, from the first on. Returns
   * how many went out; 0 once the lane has ended. The place is at the beginning again.
   */
  sendPacked(): number;
  /**
   * Returns a promise that resolves when the kernel has everything that was sent on this lane, or the peer has gone. It
   * rejects if this side ends the connection first. Returns undefined if the kernel has it, as it always does with a ring: what is in
   * shared memory outlives the process.
   */
  readonly written: (() => Promise<void> | undefined) | undefined;
  /** Returns whether one record holds a message of `bytes` bytes together with this many blocks. */
  fits(bytes: number, blocks: number): boolean;
  /**
   * Sends the message of `bytes` bytes that stands at the place together with `blocks`: at least one, none of
   * them gone. On SENT the blocks are the peer's, and gone; otherwise they are unchanged. A blocking lane
   * without room blocks the thread for up to `timeout` ms. Throws a MessageTooLargeError if they do not fit
   * one record, and a BlockError for a block of another channel.
   */
  sendWithBlocks(bytes: number, blocks: readonly Block[], timeout: number): SendStatus;
  /**
   * Like `sendWithBlocks`, for a message that lies in the first `bytes` bytes of `body`. The body goes along.
   * Returns NO_MEMORY if `admitsLong` returns false.
   */
  sendInBlock(body: Block, bytes: number, blocks: readonly Block[], timeout: number): SendStatus;
  /**
   * Returns what came with the record at the cursor, whose kind is not PLAIN. Returns undefined for a
   * malformed record; the connection then ends. Must be called once for each such record, in order, and
   * before `close`.
   */
  takeBlocks(records: RecordCursor): Delivery | undefined;
  /**
   * Drains up to `max` records (1 to 2^31 - 1), as many as the scratch holds; it grows for a record that is too long for it.
   * The cursor then stands before the first. Returns the number of records.
   */
  drain(max: number): number;
  /** Like `drain` without a limit, but may leave records for the next call: the fastest way to a single one. */
  drainSome(): number;
  /** Undefined over a stream. */
  readonly inline: InlineWays | undefined;
  /** Whether `inline` is open at the moment. It opens when the lane has been used for some time, and never where views of shared memory are forbidden. */
  readonly isInline: boolean;
  /** Called when `inline.incoming.take` has returned 0. Returns false if `drainSome` must look, because it has other work as well. */
  foundNothing(): boolean;
  /** Has the next `drain` put records elsewhere: the memory of the cursor's scratch belongs to the caller. The cursor has none left. */
  moveRecords(): void;
  /** Switches on or off whether `onRecords` is called as records arrive. Off at first. Cheap to switch. */
  wantRecords(on: boolean): void;
  /** Asks for one `onRoom`. Called after a send returned FULL. If there is room by now, `onRoom` still comes, asynchronously. */
  wantRoom(): void;
  /**
   * Called for each attempt to send that found no room. A thread that only tries does not come to its event loop. Undefined if the
   * lane has no work for it.
   */
  readonly triedInVain: (() => void) | undefined;
  /** Asks for one `onTaken`. It comes asynchronously, even if everything is taken already. May be called again only after it came. */
  wantTaken(): void;
  stats(): LaneStats;
}

/** A lane whose thread can wait for the peer without the event loop: a lane in shared memory. */
export interface BlockingLane extends TransportLane {
  /** Like `send`, but blocks the thread for up to `timeout` ms (Infinity: without limit) until there is room. */
  sendWait(bytes: number, timeout: number): SendStatus;
  /**
   * Like `drain`, but blocks the thread for up to `timeout` ms until there is a record. Returns 0 on
   * time-out, and once the lane has ended and is empty.
   */
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
  /** Bytes that have arrived and that the program has not taken, headers included, as far as this side knows without asking the peer. */
  readonly receiveFill: number;
  /** The number of sends that found no room. */
  readonly fullCount: number;
  /** The time (ms since the epoch) since which a sender has been waiting for room; undefined while none waits. */
  readonly blockedSince: number | undefined;
  /**
   * The time (ms since the epoch) since which this side has taken no message, whether none came or nobody asked for
   * one; undefined while it is busy with what arrives.
   */
  readonly idleSince: number | undefined;
  /** How long messages of this side waited for the peer, as the peer says. Undefined over a stream, and before any was measured. */
  readonly sendLatency: LatencyHistogram | undefined;
  /** How long messages of the peer waited for this side. Undefined over a stream, and before any was measured. */
  readonly receiveLatency: LatencyHistogram | undefined;
}

export interface ConnectionHandler {
  /**
   * Called once when the peer is gone or has broken the protocol; `ending` has the reason. Never called after
   * `close()`. From then on nothing is sent and no lane handler is called. Records that arrived before can
   * still be drained until `close()`, except after a protocol error.
   */
  onEnd(): void;
  /** Called once for each `wantMemory()`, when memory for blocks may have come back. */
  onMemory(): void;
}

/**
 * The most bytes of long messages in blocks on their way: it limits them as the ring's capacity limits short
 * ones. More would not make them faster, because more does not stay in the processors' caches.
 */
export const LONG_WINDOW = 4 * 1024 * 1024;

/** The memory of a connection for blocks. */
export interface TransportBulk {
  /** `shared`: blocks are handed over as they are; `copied`: their bytes are sent. */
  readonly mode: "shared" | "copied";
  /** The most bytes of all blocks of this side together, including blocks that the peer holds: the smaller value of the two sides. */
  readonly limit: number;
  /**
   * Returns a block of `bytes` bytes, or undefined if there is no room under the limit now. Throws a
   * BlockTooLargeError if there never is, and a NoSpaceError if the system has no memory. After the end of
   * the connection it throws the reason of the end.
   */
  allocate(bytes: number): Block | undefined;
  /** Like `allocate`, but does not block the thread while the system makes much memory. */
  allocateSoon(bytes: number): Promise<Block | undefined>;
  /**
   * Returns whether a message of `bytes` bytes may be sent IN_BLOCK now. At most LONG_WINDOW bytes of such
   * messages, or one message, wait for the peer to release them. Beyond that `sendInBlock` returns NO_MEMORY.
   */
  admitsLong(bytes: number): boolean;
  /** Asks for one `onMemory`. It comes asynchronously, when the peer has released something, and at the end. */
  wantMemory(): void;
  stats(): BulkStats;
}

/** Counters of blocks. */
export interface BulkStats {
  /** `shared`: blocks are handed over as they are; `copied`: their bytes are sent over the socket. */
  readonly mode: "shared" | "copied";
  /** The most bytes that the blocks of this side may take. */
  readonly limit: number;
  /** The bytes of memory that this side has for blocks, used or not. */
  readonly allocatedBytes: number;
  /** The blocks of this side that were allocated and neither sent nor released. */
  readonly ownBlocks: number;
  /**
   * The blocks that were sent and that the peer has not released, as far as this side knows; they count against
   * `limit`. `shared`: this side learns of releases when it allocates, or up to 2.5 s later.
   */
  readonly lentBlocks: number;
  /** The blocks of the peer that this side holds. */
  readonly heldBlocks: number;
  /** The bytes of the peer's memory that this side has mapped, or, if `mode` is `copied`, that it has as copies. */
  readonly heldBytes: number;
  /** Blocks that were sent and received, since the connection was made. */
  readonly sentBlocks: number;
  readonly receivedBlocks: number;
  /** The bytes of blocks that were copied on the way, in either direction. */
  readonly copiedBytes: number;
}

/**
 * Words that both sides of a connection see. The other side reads a new value at once, even while its event loop is busy. A cell holds the
 * last value that was set; a reader that looks rarely does not see those before.
 */
export interface Cells {
  /** The number of cells of each side. */
  readonly length: number;
  /** Sets a cell of this side, for the peer to read, to a 32-bit unsigned integer. */
  set(index: number, value: number): void;
  /** Returns the value of a cell of the peer; 0 at first. */
  get(index: number): number;
}

/** A connection of two processes. */
export interface Connection {
  readonly transport: "shm" | "stream";
  /**
   * How the connection ends. The transport sets it as soon as it knows, which may be before `onEnd` comes; a
   * caller of `close()` may set it, too.
   */
  readonly ending: Ending;
  readonly lanes: readonly TransportLane[];
  readonly bulk: TransportBulk;
  /** The cells, if the two sides have memory in common. They keep their last values after the end. */
  readonly cells: Cells | undefined;
  /** The descriptor of the memory, if it was kept for processes that only watch, and until the end. */
  readonly memory?: number | undefined;
  /**
   * Installs the handlers and starts; `lanes[i]` handles lane `i` of the connection. Called once. No handler
   * is called before it returns.
   */
  start(handler: ConnectionHandler, lanes: readonly LaneHandler[]): void;
  /**
   * Ends the connection, for `ending.reason`. The peer gets what was sent before. It learns that this side
   * closed on purpose, or, after a protocol error, that it broke the protocol. No handler is called any more,
   * and everything is freed. Idempotent. Safe inside a handler. Resolves when the kernel or the peer has
   * everything, or never will.
   */
  close(): Promise<void>;
  /** Frees everything at once, closed or not. Bytes that the kernel has not taken are lost. Settles `close`. Idempotent. */
  destroy(): void;
  /**
   * Looks whether the peer has gone, without waiting for the event loop; if so, `ending` has the reason
   * afterwards. For threads that block.
   */
  look(): void;
  /** Makes the connection keep the process alive, or not (`unref`). It does at first. */
  ref(): void;
  unref(): void;
  stats(): ConnectionStats;
}

export interface ConnectionStats {
  /** The number of bells rung: system calls that woke the peer. */
  readonly bells: number;
  /** The number of times that a receiving lane parked. */
  readonly parks: number;
  /** Messages that the watchdog found in a parked ring. Any value but 0 means that a wake-up was lost. */
  readonly rescues: number;
  /** The bytes of shared memory; 0 for a stream. */
  readonly sharedBytes: number;
}

/** The form of one lane, as agreed in the handshake. */
export interface LaneGeometry {
  readonly name: string;
  /** The bytes of each of its two rings: a power of two, 4 KiB to 1 GiB. */
  readonly capacity: number;
}

import type { Scratch } from "../codec/codec.js";
import type { RingbellError } from "../errors.js";

/**
 * What a transport is: records of bytes, in lanes, between two processes, with backpressure and one end.
 *
 * A record in a scratch is laid out as in a ring: 8 bytes of header (32-bit length of the payload, 32-bit word
 * that belongs to the transport), the payload, and padding up to the next multiple of 8.
 */

/** Bytes before the payload of a record. */
export const RECORD_HEADER = 8;

/** Bytes that a record with a payload of `bytes` takes in a scratch or a ring. */
export function recordBytes(bytes: number): number {
  return RECORD_HEADER + ((bytes + 7) & ~7);
}

/** The longest payload that a ring of `capacity` bytes carries: half of it less the header, so that it always fits once. */
export function longestPayload(capacity: number): number {
  return capacity / 2 - RECORD_HEADER;
}

/** The record went out. */
export const SENT = 0;
/** No room (or none in time); nothing was queued. */
export const FULL = 1;
/** The lane has ended; nothing goes out any more. */
export const ENDED = 2;
export type SendStatus = typeof SENT | typeof FULL | typeof ENDED;

export interface LaneHandler {
  /**
   * `count` records (at least one) were drained into the inbox, packed from offset 0. The handler takes all of them, or
   * calls `wantRecords(false)` before it returns and takes the rest later: as long as records are wanted, the transport
   * may write into the inbox as soon as the handler has returned (also by an exception).
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
  /** The longest payload: `longestPayload(capacity)`. */
  readonly maxBytes: number;
  /** A message to be sent is encoded here, its payload at offset RECORD_HEADER. */
  readonly outbox: Scratch;
  /** Records that were drained, packed from offset 0. */
  readonly inbox: Scratch;
  /** Makes the outbox at least `bytes` long (at most `recordBytes(maxBytes)` is ever asked for). Its content is lost. */
  growOutbox(bytes: number): void;
  /** Sends the payload of `bytes` bytes that stands in the outbox at RECORD_HEADER. */
  send(bytes: number): SendStatus;
  /**
   * Sends up to `count` records packed from offset 0 of the outbox (the caller wrote each length into the first word of
   * its header) with one publication; returns how many went out, from the first on. 0 once the lane has ended.
   */
  sendBatch(count: number): number;
  /** As `send`, but blocks the thread up to `timeout` ms (Infinity: without limit) until there is room. */
  sendWait(bytes: number, timeout: number): SendStatus;
  /** Drains up to `max` records into the inbox, as many as it holds (at least one, growing it); returns their number. */
  drain(max: number): number;
  /** As `drain`, but blocks the thread up to `timeout` ms until there is a record. 0 in the end, or once the lane has ended and is empty. */
  drainWait(max: number, timeout: number): number;
  /** Whether `onRecords` is to be called as records arrive. Off at first. Cheap to switch. */
  wantRecords(on: boolean): void;
  /** Asks for one `onRoom`. Called after a send came back FULL; if there is room by now, `onRoom` comes all the same, asynchronously. */
  wantRoom(): void;
  /** Asks for one `onTaken`, asynchronously also where everything is taken already. To be called again only after it came. */
  wantTaken(): void;
  stats(): LaneStats;
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

/** Why a connection ended, as the transport sees it. */
export type TransportEnd = "peer-closed" | "peer-died" | "protocol-error";

export interface ConnectionHandler {
  /**
   * Called once when the peer is gone or has broken the protocol, never after `close()`. From then on nothing is sent and
   * no lane handler is called; records that arrived before can still be had by `drain` until `close()`
   * (none after a protocol error).
   */
  onEnd(why: TransportEnd, error: RingbellError | undefined): void;
}

export interface ConnectionEnd {
  readonly why: TransportEnd;
  readonly error: RingbellError | undefined;
}

/** Two processes joined. */
export interface Connection {
  readonly transport: "shm" | "stream";
  /** How it has ended, as soon as the transport knows, which may be before `onEnd` comes; undefined while it has not, or after `close()`. */
  readonly end: ConnectionEnd | undefined;
  readonly lanes: readonly TransportLane[];
  /** Installs the handlers (`lanes[i]` of the connection goes with `lanes[i]` here) and starts. Called once. No handler is called before it returns. */
  start(handler: ConnectionHandler, lanes: readonly LaneHandler[]): void;
  /**
   * Ends the connection: what was sent before reaches the peer, which is told that this was on purpose, or (`corrupt`)
   * that it broke the protocol. Calls no handler any more; frees everything. Idempotent. Safe inside a handler.
   * Resolves when everything has been handed to the kernel or the peer, or can't be any more.
   */
  close(why: "closed" | "corrupt"): Promise<void>;
  /** Frees everything at once, closed or not; what the kernel has not taken is lost. Settles `close`. Idempotent. */
  destroy(): void;
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

/** A process as the kernel names it. */
export interface Credentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** What was agreed about one lane in the handshake. */
export interface LaneGeometry {
  readonly name: string;
  /** Bytes of each of its two rings: a power of two, 4 KiB to 1 GiB. */
  readonly capacity: number;
}

export interface WireHandler {
  /** Bytes arrived. The chunk is overwritten after the call. */
  onData(chunk: Uint8Array): void;
  /** All that was written is with the kernel. */
  onDrain(): void;
  /** The other side hung up (no error), or the socket failed. Called once. */
  onEnd(error: Error | undefined): void;
}

/**
 * A connected Unix socket, before and below a transport: by the addon where there is one, else by node:net.
 * A new wire is quiet until it gets its handler; handing it from the handshake to a transport replaces the handler.
 */
export interface Wire {
  /** The peer as the kernel names it; undefined without the addon. */
  readonly credentials: Credentials | undefined;
  /** Whether descriptors can be passed, the thread can wait, and the descriptor can be taken over (the addon's wire). */
  readonly native: boolean;
  /** Bytes written that the kernel has not taken. */
  readonly buffered: number;
  /** Sets who is told; `undefined` stops reading. Bytes handed to `unread` come first, asynchronously. */
  setHandler(handler: WireHandler | undefined): void;
  /** Puts bytes back that were read too far; they come first when the next handler is set. */
  unread(bytes: Uint8Array): void;
  /** Writes all of it, at once or as the kernel takes it. With a descriptor to pass along (native only). Ignored once ended. */
  write(bytes: Uint8Array, descriptor?: number): void;
  /** The descriptor that came with the data read last; the caller owns it. Undefined if none. Those not taken are closed. */
  takeDescriptor(): number | undefined;
  /** Blocks the thread until the wire is readable (or writable, or has ended) or `timeout` ms have gone by, and then reads and writes what is possible, calling the handler. Native only. */
  wait(direction: "readable" | "writable", timeout: number): boolean;
  /** Gives up the descriptor without closing it: the caller owns it, the wire is dead. Native only. What was `unread` is lost. */
  detach(): number;
  ref(): void;
  unref(): void;
  /** Closes once what was written is with the kernel (`destroy`: at once). Calls no handler any more. */
  end(): Promise<void>;
  destroy(): void;
}

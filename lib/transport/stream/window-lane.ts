import type { Block } from "../../bulk/block.js";
import { Scratch } from "../../codec/codec.js";
import { InvalidArgumentError, MessageTooLargeError } from "../../errors.js";
import {
  ENDED,
  FULL,
  type LaneGeometry,
  type LaneHandler,
  type LaneStats,
  SENT,
  type SendStatus,
  type TransportLane,
} from "../contract.js";
import { COMES_HOME, type Handle, readTable, tabledBytes, writeTable } from "../records/handle-table.js";
import { type BlocksKind, longestPayload, RECORD_HEADER, recordBytes } from "../records/record-layout.js";
import { Arrivals } from "./arrivals.js";
import { ASK, frameWord, HOME, RECORD } from "./frame-layout.js";
import { Outgoing } from "./outgoing.js";
import type { ReceivingLane } from "./parser.js";
import { powerOfTwo, RecordQueue } from "./queue.js";
import type { Arrival, BulkHost, Parcel, StreamBulk } from "./stream-bulk.js";
import { SendWindow } from "./window.js";

const FIRST_OUTBOX = 16 * 1024;
const FIRST_INBOX = 4096;
/** The receiver reports what it has taken each time that it is this part of the capacity. */
const REPORT_PART = 8;
/** What a record takes for each of its blocks, at least. */
const HANDLE_BYTES = 24;

/** What a lane needs of its connection. */
export interface LaneHost extends BulkHost {
  /** The kernel takes no more at the moment. */
  readonly backlogged: boolean;
  readonly bulk: StreamBulk;
  flush(): void;
  /** Writes a message with blocks, now or as the kernel takes it. */
  post(message: Outgoing): void;
  /** The peer broke the protocol: ends the connection. Calls no handler. */
  fail(what: string): void;
}

/** One lane: a window of `capacity` bytes each way, and a queue of what has arrived. */
export class StreamLane implements TransportLane, ReceivingLane {
  readonly name: string;
  readonly capacity: number;
  readonly maxBytes: number;
  readonly outbox: Scratch;
  readonly inbox = new Scratch(new ArrayBuffer(FIRST_INBOX));
  readonly queue = new RecordQueue();
  readonly arrivals: Arrivals;
  readonly window: SendWindow;
  handler: LaneHandler | undefined;
  /** Whether the handler is to be called with records. */
  wanted = false;
  readonly #host: LaneHost;
  readonly #index: number;
  readonly #word: number;

  /** Bytes taken from the queue that the peer does not know of. */
  #unreported = 0;
  /** The peer has asked, and so many bytes were before its question in the queue; -1 if it has not. */
  #reportAfter = -1;
  #reportDue = false;
  /** The peer is to be asked as soon as the message with blocks has gone out that takes up the lane. */
  #askDue = false;

  #sentMessages = 0;
  #sentBytes = 0;
  #receivedMessages = 0;
  #receivedBytes = 0;
  #idleSince: number | undefined = Date.now();

  constructor(host: LaneHost, index: number, geometry: LaneGeometry) {
    this.#host = host;
    this.#index = index;
    this.#word = frameWord(RECORD, index);
    this.name = geometry.name;
    this.capacity = geometry.capacity;
    this.maxBytes = longestPayload(geometry.capacity);
    this.window = new SendWindow(geometry.capacity);
    this.arrivals = new Arrivals(host.bulk, this.maxBytes / HANDLE_BYTES);
    this.outbox = new Scratch(new ArrayBuffer(Math.min(FIRST_OUTBOX, recordBytes(this.maxBytes))));
  }

  growOutbox(bytes: number): void {
    if (bytes <= this.outbox.length) return;
    const most = recordBytes(this.maxBytes);
    if (bytes > most) throw new MessageTooLargeError(this.maxBytes, bytes - RECORD_HEADER);
    this.outbox.replace(new ArrayBuffer(Math.min(most, powerOfTwo(bytes))));
  }

  send(bytes: number): SendStatus {
    this.#check(bytes, 0);
    const size = recordBytes(bytes);
    const room = this.window.fits(size) || this.#roomByNow(0, size);
    if (this.#host.ended) return ENDED;
    if (!room) return FULL;
    this.outbox.words[0] = bytes;
    this.#stamp(0, bytes);
    this.#go(1, size, bytes);
    return SENT;
  }

  sendBlocks(kind: BlocksKind, bytes: number, blocks: readonly Block[], timeout: number): SendStatus {
    const host = this.#host;
    const content = tabledBytes(bytes, blocks.length);
    if (content > this.maxBytes) throw new MessageTooLargeError(this.maxBytes, content);
    if (host.ended) return ENDED;
    let status: SendStatus = host.bulk.admits(kind, blocks);
    if (status !== SENT) return host.ended ? ENDED : status;
    const size = recordBytes(content);
    if (!this.window.fits(size) && !this.#roomByNow(0, size)) {
      if (host.ended) return ENDED;
      if (timeout <= 0) return FULL;
      host.mustWait();
      status = this.#waitForRoom(size, timeout);
      if (status !== SENT) return status;
    }
    if (host.ended) return ENDED;
    this.#lengthenOutbox(bytes, size);
    const parcels = host.bulk.pack(kind, blocks);
    writeTable(this.outbox, bytes, parcels.map(handleOf), parcels.length);
    this.outbox.words[0] = content;
    this.outbox.words[1] = frameWord(RECORD, this.#index, kind);
    this.window.reserve(size);
    this.#sentMessages++;
    this.#sentBytes += content;
    host.post(new Outgoing(this.#index, host.bulk, parcels, this.outbox, size, () => this.#isPosted()));
    // As in `sendWait`.
    if (timeout > 0) host.flush();
    return SENT;
  }

  takeBlocks(scratch: Scratch, at: number): number {
    const { bulk } = this.#host;
    const { blocks } = scratch;
    blocks.length = 0;
    const arrivals = this.arrivals.next();
    if (arrivals === undefined) return -1;
    const bytes = payloadOf(scratch, at, arrivals);
    if (bytes < 0) {
      for (const arrival of arrivals) bulk.refuse(arrival);
      this.#host.fail(`a record in lane ${this.#index} names other blocks than those that came with it`);
    } else {
      for (const arrival of arrivals) blocks.push(bulk.take(arrival));
    }
    return bytes;
  }

  sendBatch(count: number): number {
    const words = this.outbox.words;
    let sent = 0;
    let size = 0;
    let payload = 0;
    while (sent < count) {
      const bytes = words[size >>> 2];
      if (bytes === undefined)
        throw new InvalidArgumentError("count", "the number of records in the outbox", count);
      this.#check(bytes, size);
      const next = recordBytes(bytes);
      if (!this.window.fits(size + next) && !this.#roomByNow(size, next)) break;
      this.#stamp(size, bytes);
      size += next;
      payload += bytes;
      sent++;
    }
    if (this.#host.ended) return 0;
    if (sent > 0) this.#go(sent, size, payload);
    return sent;
  }

  sendWait(bytes: number, timeout: number): SendStatus {
    let status = this.send(bytes);
    if (status === FULL) {
      this.#host.mustWait();
      status = this.#waitForRoom(recordBytes(bytes), timeout);
      if (status === SENT) status = this.send(bytes);
    }
    // The caller may not come back to the event loop for long.
    if (status === SENT) this.#host.flush();
    return status;
  }

  drain(max: number): number {
    if (this.queue.count === 0) this.#host.poll();
    return this.take(max);
  }

  drainWait(max: number, timeout: number): number {
    let count = this.drain(max);
    if (count === 0 && !this.#host.ended) {
      this.#host.mustWait();
      const until = performance.now() + timeout;
      for (let left = timeout; count === 0 && left > 0; left = until - performance.now()) {
        this.#host.wait(left);
        count = this.take(max);
        if (this.#host.ended) break;
      }
    }
    // The caller may not come back to the event loop for long, and the peer may be waiting for the report.
    if (count > 0 && !this.#host.ended) this.#host.flush();
    return count;
  }

  wantRecords(on: boolean): void {
    this.wanted = on;
    if (on && this.queue.count > 0) this.#host.schedule();
  }

  wantRoom(): void {
    if (!this.#host.ended && this.window.wantRoom()) this.#host.schedule();
  }

  wantTaken(): void {
    if (this.#host.ended) return;
    this.window.wantTaken();
    if (this.window.inFlight === 0) {
      this.#host.schedule();
      return;
    }
    this.#askDue = this.window.reserved;
    if (this.#askDue) return;
    this.#host.writer.frame(ASK, this.#index);
    this.#host.wrote();
  }

  stats(): LaneStats {
    return {
      name: this.name,
      capacity: this.capacity,
      sentMessages: this.#sentMessages,
      sentBytes: this.#sentBytes,
      receivedMessages: this.#receivedMessages,
      receivedBytes: this.#receivedBytes,
      sendFill: this.window.inFlight,
      receiveFill: this.queue.fill,
      fullCount: this.window.fullCount,
      blockedSince: this.window.blockedSince,
      idleSince: this.#idleSince,
    };
  }

  windowLeft(): number {
    return this.capacity - this.queue.fill - this.#unreported;
  }

  arrived(): void {
    this.#idleSince = undefined;
  }

  peerTook(bytes: number): boolean {
    return this.window.peerTook(bytes);
  }

  peerAsks(): void {
    this.#reportAfter = this.queue.fill;
    if (this.#reportAfter === 0) this.#report();
  }

  /** What has arrived is not wanted any more. */
  clear(): void {
    this.queue.clear();
    this.arrivals.clear();
  }

  /** Moves records to the inbox, and reports them as taken when that is due. */
  take(max: number): number {
    const queue = this.queue;
    const count = queue.take(this.inbox, max);
    if (count === 0) return 0;
    this.#receivedMessages += count;
    this.#receivedBytes += queue.tookPayload;
    if (queue.count === 0) this.#idleSince = Date.now();
    this.#unreported += queue.tookBytes;
    if (this.#reportAfter >= 0) {
      this.#reportAfter = Math.max(0, this.#reportAfter - queue.tookBytes);
      if (this.#reportAfter === 0) this.#report();
    }
    if (this.#unreported >= this.capacity / REPORT_PART) this.#report();
    return count;
  }

  /** The kernel takes bytes again: sends the report that had to wait. */
  catchUp(): void {
    if (this.#reportDue) this.#report();
  }

  #check(bytes: number, at: number): void {
    if (bytes > this.maxBytes) throw new MessageTooLargeError(this.maxBytes, bytes);
    if (!(bytes >= 0 && at + RECORD_HEADER + bytes <= this.outbox.length)) {
      throw new InvalidArgumentError("bytes", "the length of what stands in the outbox", bytes);
    }
  }

  /** Completes the header of the record at `at`, and clears its padding: what stood there before is nobody's business. */
  #stamp(at: number, bytes: number): void {
    this.outbox.words[(at >>> 2) + 1] = this.#word;
    const buffer = this.outbox.buffer;
    const end = at + recordBytes(bytes);
    for (let i = at + RECORD_HEADER + bytes; i < end; i++) buffer[i] = 0;
  }

  #go(count: number, size: number, payload: number): void {
    this.window.inFlight += size;
    this.#sentMessages += count;
    this.#sentBytes += payload;
    this.#host.writer.records(this.outbox, size);
    this.#host.wrote();
  }

  /** There was no room for a record of `size` bytes behind `before` bytes of a batch: the peer may have reported something by now. */
  #roomByNow(before: number, size: number): boolean {
    if (this.#host.ended) return false;
    this.window.needs(size);
    this.#host.poll();
    if (this.window.fits(before + size)) return true;
    this.window.fullCount++;
    return false;
  }

  /** As `growOutbox`, but the first `bytes` bytes of the payload stay. */
  #lengthenOutbox(bytes: number, size: number): void {
    if (size <= this.outbox.length) return;
    const before = this.outbox.buffer;
    this.growOutbox(size);
    before.copy(this.outbox.buffer, RECORD_HEADER, RECORD_HEADER, RECORD_HEADER + bytes);
  }

  /** The message with blocks is with the wire. */
  #isPosted(): void {
    if (this.window.unreserve()) this.#host.schedule();
    if (!this.#askDue) return;
    this.#askDue = false;
    this.#host.writer.frame(ASK, this.#index);
  }

  #waitForRoom(size: number, timeout: number): SendStatus {
    const window = this.window;
    window.blockedSince ??= Date.now();
    const until = performance.now() + timeout;
    let left = timeout;
    while (!window.fits(size) && !this.#host.ended && left > 0) {
      this.#host.wait(left);
      left = until - performance.now();
    }
    window.unblock();
    if (this.#host.ended) return ENDED;
    return window.fits(size) ? SENT : FULL;
  }

  #report(): void {
    if (this.#host.ended) return;
    // A peer that reads nothing must not make us queue reports for it without end.
    this.#reportDue = this.#host.backlogged;
    if (this.#reportDue) return;
    // A report because much was taken does not answer the peer's question, which is about the records behind as well.
    if (this.#reportAfter === 0) this.#reportAfter = -1;
    if (this.#unreported === 0) return;
    const bytes = this.#unreported;
    this.#unreported = 0;
    this.#host.writer.taken(this.#index, bytes);
    this.#host.wrote();
  }
}

function handleOf({ id, flags, length }: Parcel): Handle {
  return { segment: id, slot: 0, flags: (flags & HOME) === 0 ? 0 : COMES_HOME, bytes: length };
}

/** The length of the payload of a record with blocks; -1 if its table does not name just those that came with it. */
function payloadOf(scratch: Scratch, at: number, arrivals: readonly Arrival[]): number {
  const table = readTable(scratch, at);
  if (table === undefined || table.handles.length !== arrivals.length) return -1;
  const named = arrivals.every(({ id, flags, length }, i) => {
    const handle = table.handles[i]!;
    const home = (flags & HOME) === 0 ? 0 : COMES_HOME;
    return handle.segment === id && handle.slot === 0 && handle.flags === home && handle.bytes === length;
  });
  return named ? table.bytes : -1;
}

import { Scratch } from "../codec/codec.js";
import { InvalidArgumentError, MessageTooLargeError } from "../errors.js";
import {
  ENDED,
  FULL,
  type LaneGeometry,
  type LaneHandler,
  type LaneStats,
  longestPayload,
  RECORD_HEADER,
  recordBytes,
  SENT,
  type SendStatus,
  type TransportLane,
} from "./contract.js";
import { ASK, frameWord, RECORD } from "./stream-frames.js";
import { powerOfTwo, RecordQueue } from "./stream-queue.js";
import type { ReceivingLane } from "./stream-reader.js";
import { SendWindow } from "./stream-window.js";
import type { FrameWriter } from "./stream-writer.js";

const FIRST_OUTBOX = 16 * 1024;
const FIRST_INBOX = 4096;
/** The receiver reports what it has taken each time that it is this part of the capacity. */
const REPORT_PART = 8;

/** What a lane needs of its connection. */
export interface LaneHost {
  /** Nothing goes out any more. */
  readonly ended: boolean;
  /** The kernel takes no more at the moment. */
  readonly backlogged: boolean;
  readonly writer: FrameWriter;
  /** Frames were given to the writer. */
  wrote(): void;
  flush(): void;
  /** Takes in what has arrived, where that can be done from here. Calls no handler. */
  poll(): void;
  /** Throws SyncUnavailableError where `wait` can't be had. */
  mustWait(): void;
  /** Blocks until something has happened, at most `timeout` ms. Calls no handler. */
  wait(timeout: number): void;
  /** A handler is to be called, soon and asynchronously. */
  schedule(): void;
}

/** One lane: a window of `capacity` bytes each way, and a queue of what has arrived. */
export class StreamLane implements TransportLane, ReceivingLane {
  readonly name: string;
  readonly capacity: number;
  readonly maxBytes: number;
  readonly outbox: Scratch;
  readonly inbox = new Scratch(new ArrayBuffer(FIRST_INBOX));
  readonly queue = new RecordQueue();
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
    this.#reportAfter = -1;
    if (this.#unreported === 0) return;
    const bytes = this.#unreported;
    this.#unreported = 0;
    this.#host.writer.taken(this.#index, bytes);
    this.#host.wrote();
  }
}

import type { Block } from "../../bulk/block.js";
import { Scratch } from "../../codec/codec.js";
import { InvalidArgumentError, MessageTooLargeError } from "../../errors.js";
import type { LaneGeometry, LaneHandler, LaneStats, TransportLane } from "../contract.js";
import { RecordCursor } from "../records/cursor.js";
import { COMES_HOME, readTable, tabledBytes, writeTable } from "../records/handle-table.js";
import { Place } from "../records/place.js";
import {
  type BlocksKind,
  IN_BLOCK,
  longestPayload,
  RECORD_HEADER,
  recordBytes,
  WITH_BLOCKS,
} from "../records/record-layout.js";
import { ENDED, FULL, SENT, type SendStatus } from "../records/send-status.js";
import { type Delivery, deliveryOf, LENGTH_BYTES, writeLength } from "../records/shipment.js";
import { Arrivals } from "./arrivals.js";
import { ASK, frameWord, HOME, RECORD } from "./frame-layout.js";
import { Outgoing } from "./outgoing.js";
import type { ReceivingLane } from "./parser.js";
import { powerOfTwo, RecordQueue } from "./queue.js";
import type { Arrival, StreamBulk, StreamOwner } from "./stream-bulk.js";
import { SendWindow } from "./window.js";

const FIRST_OUTBOX = 16 * 1024;
const FIRST_INBOX = 4096;
/** The receiver reports what it has taken each time that it is this part of the capacity. */
const REPORT_PART = 8;
/** What a record takes for each of its blocks, at least. */
const HANDLE_BYTES = 24;

/** What a lane needs of its connection. */
export interface WindowOwner extends StreamOwner {
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
export class WindowLane implements TransportLane, ReceivingLane {
  readonly name: string;
  readonly capacity: number;
  readonly maxBytes: number;
  /** A thread can't wait here: what arrives comes by the event loop. */
  readonly blocking = undefined;
  readonly place: Place;
  readonly records = new RecordCursor(new Scratch(new ArrayBuffer(FIRST_INBOX)));
  readonly queue = new RecordQueue();
  readonly arrivals: Arrivals;
  readonly window: SendWindow;
  handler: LaneHandler | undefined;
  /** Whether the handler is to be called with records. */
  wanted = false;
  readonly #host: WindowOwner;
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

  constructor(host: WindowOwner, index: number, geometry: LaneGeometry) {
    this.#host = host;
    this.#index = index;
    this.#word = frameWord(RECORD, index);
    this.name = geometry.name;
    this.capacity = geometry.capacity;
    this.maxBytes = longestPayload(geometry.capacity);
    this.window = new SendWindow(geometry.capacity);
    this.arrivals = new Arrivals(host.bulk, this.maxBytes / HANDLE_BYTES);
    this.place = new Place(new Scratch(new ArrayBuffer(Math.min(FIRST_OUTBOX, recordBytes(this.maxBytes)))));
  }

  grow(bytes: number): void {
    const { scratch } = this.place;
    const needed = recordBytes(bytes);
    if (needed <= scratch.length) return;
    if (bytes > this.maxBytes) throw new MessageTooLargeError(this.maxBytes, bytes);
    scratch.replace(new ArrayBuffer(Math.min(recordBytes(this.maxBytes), powerOfTwo(needed))));
  }

  send(bytes: number): SendStatus {
    this.#check(bytes, 0);
    const size = recordBytes(bytes);
    const room = this.window.fits(size) || this.#roomByNow(0, size);
    if (this.#host.ended) return ENDED;
    if (!room) return FULL;
    this.#scratch.words[0] = bytes;
    this.#stamp(0, bytes);
    this.#go(1, size, bytes);
    return SENT;
  }

  fits(bytes: number, blocks: number): boolean {
    return tabledBytes(bytes, blocks) <= this.maxBytes;
  }

  sendWithBlocks(bytes: number, blocks: readonly Block[]): SendStatus {
    return this.#ship(WITH_BLOCKS, bytes, blocks);
  }

  sendInBlock(body: Block, bytes: number, blocks: readonly Block[]): SendStatus {
    writeLength(this.place.scratch, this.place.at, bytes);
    return this.#ship(IN_BLOCK, LENGTH_BYTES, [body, ...blocks]);
  }

  takeBlocks(records: RecordCursor): Delivery | undefined {
    const { bulk } = this.#host;
    const arrivals = this.arrivals.next();
    if (arrivals === undefined) return undefined;
    const bytes = payloadOf(records, arrivals);
    if (bytes < 0) {
      for (const arrival of arrivals) bulk.refuse(arrival);
      this.#host.fail(`a record in lane ${this.#index} names other blocks than those that came with it`);
      return undefined;
    }
    const blocks = arrivals.map((arrival) => bulk.take(arrival));
    return deliveryOf(records, bytes, blocks);
  }

  sendPacked(): number {
    const count = this.place.restart();
    const { words } = this.#scratch;
    let sent = 0;
    let size = 0;
    let payload = 0;
    while (sent < count) {
      const bytes = words[size >>> 2]!;
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

  drain(max: number): number {
    if (this.queue.count === 0) this.#host.poll();
    return this.take(max);
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
    const count = this.records.begin(queue.take(this.records.scratch, max));
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

  get #scratch(): Scratch {
    return this.place.scratch;
  }

  /** Sends the payload of `bytes` bytes at the place, and these blocks. */
  #ship(kind: BlocksKind, bytes: number, blocks: readonly Block[]): SendStatus {
    const host = this.#host;
    const content = tabledBytes(bytes, blocks.length);
    if (content > this.maxBytes) throw new MessageTooLargeError(this.maxBytes, content);
    if (host.ended) return ENDED;
    const shipment = host.bulk.ship(blocks, kind === IN_BLOCK);
    if (typeof shipment === "number") return host.ended ? ENDED : shipment;
    const size = recordBytes(content);
    const room = this.window.fits(size) || this.#roomByNow(0, size);
    if (host.ended || !room) return host.ended ? ENDED : FULL;
    this.#lengthen(bytes, content);
    const parcels = shipment.pack();
    const { scratch, at } = this.place;
    writeTable(scratch, at, bytes, shipment.handles, shipment.count);
    scratch.words[0] = content;
    scratch.words[1] = frameWord(RECORD, this.#index, kind);
    this.window.reserve(size);
    this.#sentMessages++;
    this.#sentBytes += content;
    host.post(new Outgoing(this.#index, host.bulk, parcels, scratch, size, () => this.#isPosted()));
    return SENT;
  }

  #check(bytes: number, at: number): void {
    if (bytes > this.maxBytes) throw new MessageTooLargeError(this.maxBytes, bytes);
    if (!(bytes >= 0 && at + RECORD_HEADER + bytes <= this.#scratch.length)) {
      throw new InvalidArgumentError("bytes", "the length of what stands in the outbox", bytes);
    }
  }

  /** Completes the header of the record at `at`, and clears its padding: what stood there before is nobody's business. */
  #stamp(at: number, bytes: number): void {
    const { words, buffer } = this.#scratch;
    words[(at >>> 2) + 1] = this.#word;
    const end = at + recordBytes(bytes);
    for (let i = at + RECORD_HEADER + bytes; i < end; i++) buffer[i] = 0;
  }

  #go(count: number, size: number, payload: number): void {
    this.window.inFlight += size;
    this.#sentMessages += count;
    this.#sentBytes += payload;
    this.#host.writer.records(this.#scratch, size);
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

  /** As `grow`, but the first `bytes` bytes of the payload stay. */
  #lengthen(bytes: number, content: number): void {
    const { scratch, at } = this.place;
    if (recordBytes(content) <= scratch.length) return;
    const before = scratch.buffer;
    this.grow(content);
    before.copy(scratch.buffer, at, at, at + bytes);
  }

  /** The message with blocks is with the wire. */
  #isPosted(): void {
    if (this.window.unreserve()) this.#host.schedule();
    if (!this.#askDue) return;
    this.#askDue = false;
    this.#host.writer.frame(ASK, this.#index);
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

/** The length of the payload of a record with blocks; -1 if its table does not name just those that came with it. */
function payloadOf(records: RecordCursor, arrivals: readonly Arrival[]): number {
  const table = readTable(records);
  if (typeof table === "string" || table.handles.length !== arrivals.length) return -1;
  const named = arrivals.every(({ id, flags, length }, i) => {
    const handle = table.handles[i]!;
    const home = (flags & HOME) === 0 ? 0 : COMES_HOME;
    return handle.segment === id && handle.slot === 0 && handle.flags === home && handle.bytes === length;
  });
  return named ? table.bytes : -1;
}

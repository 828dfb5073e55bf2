import type { Block } from "../../bulk/block.js";
import { Scratch } from "../../codec/codec.js";
import { InvalidArgumentError, MessageTooLargeError } from "../../errors.js";
import type { LaneGeometry, LaneHandler, LaneStats, TransportLane } from "../contract.js";
import type { RecordCursor } from "../records/cursor.js";
import { tabledBytes } from "../records/handle-table.js";
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
import { Breach } from "./breach.js";
import { ASK, frameWord, RECORD, TAKEN } from "./frame-layout.js";
import type { StreamHost } from "./host.js";
import { Intake, powerOfTwo } from "./intake.js";
import type { StreamBulk } from "./stream-bulk.js";
import { SendWindow } from "./window.js";

const FIRST_PLACE = 16 * 1024;

/** A lane of a stream, with a window of `capacity` bytes each way. */
export class WindowLane implements TransportLane {
  readonly name: string;
  readonly capacity: number;
  readonly maxBytes: number;
  /** A thread can't wait for the peer: what arrives comes by the event loop. */
  readonly inline = undefined;
  readonly isInline = false;
  readonly blocking = undefined;
  readonly triedInVain = undefined;
  readonly written = (): Promise<void> | undefined => this.#host.outlet.written();
  readonly place: Place;
  readonly records: RecordCursor;
  readonly intake: Intake;
  readonly arrivals: Arrivals;
  /** Undefined before the start and after the end. */
  handler: LaneHandler | undefined;
  readonly #host: StreamHost;
  readonly #bulk: StreamBulk;
  readonly #index: number;
  /** The second word of a plain record's header. */
  readonly #word: number;
  readonly #sending: SendWindow;
  #wanted = false;
  /** Whether the peer is to be asked when the message with blocks that goes first is written. */
  #askDue = false;
  #sentMessages = 0;
  #sentBytes = 0;

  constructor(host: StreamHost, bulk: StreamBulk, index: number, { name, capacity }: LaneGeometry) {
    this.#host = host;
    this.#bulk = bulk;
    this.#index = index;
    this.#word = frameWord(RECORD, index);
    this.name = name;
    this.capacity = capacity;
    this.maxBytes = longestPayload(capacity);
    this.#sending = new SendWindow(capacity);
    this.intake = new Intake(capacity);
    this.records = this.intake.records;
    this.arrivals = new Arrivals(bulk, this.maxBytes);
    this.place = new Place(new Scratch(new ArrayBuffer(Math.min(FIRST_PLACE, recordBytes(this.maxBytes)))));
  }

  grow(bytes: number): void {
    const { scratch } = this.place;
    const needed = recordBytes(bytes);
    if (needed <= scratch.length) return;
    if (bytes > this.maxBytes) throw new MessageTooLargeError(this.maxBytes, bytes);
    scratch.replace(new ArrayBuffer(Math.min(recordBytes(this.maxBytes), powerOfTwo(needed))));
  }

  movePlace(): void {
    const { place } = this;
    place.scratch = new Scratch(new ArrayBuffer(place.scratch.length));
  }

  send(bytes: number): SendStatus {
    this.#check(bytes, 0);
    const size = recordBytes(bytes);
    const room = this.#hasRoom(0, size);
    if (this.#host.outlet.ended) return ENDED;
    if (!room) return FULL;
    this.#stamp(0, bytes, this.#word);
    this.#go(1, size, bytes);
    return SENT;
  }

  sendPacked(): number {
    const count = this.place.restart();
    const { words } = this.place.scratch;
    let sent = 0;
    let size = 0;
    let payload = 0;
    while (sent < count) {
      const bytes = words[size >>> 2]!;
      this.#check(bytes, size);
      if (!this.#hasRoom(size, recordBytes(bytes))) break;
      this.#stamp(size, bytes, this.#word);
      size += recordBytes(bytes);
      payload += bytes;
      sent++;
    }
    if (this.#host.outlet.ended) return 0;
    if (sent > 0) this.#go(sent, size, payload);
    return sent;
  }

  /** As in shared memory, where a table of the blocks stands in the record. */
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
    const bulk = this.#bulk;
    const blocks = this.arrivals
      .next()
      ?.map((arrival, i) => bulk.take(arrival, records.kind === IN_BLOCK && i === 0));
    return blocks && deliveryOf(records, records.bytes, blocks);
  }

  foundNothing(): boolean {
    return false;
  }

  drainSome(): number {
    return this.drain(Number.MAX_SAFE_INTEGER);
  }

  drain(max: number): number {
    if (this.intake.fill === 0) this.#host.look();
    return this.#take(max);
  }

  moveRecords(): void {
    this.intake.moveRecords();
  }

  wantRecords(on: boolean): void {
    this.#wanted = on;
    if (on && this.intake.fill > 0) this.#host.schedule();
  }

  wantRoom(): void {
    if (!this.#host.outlet.ended && this.#sending.wantRoom()) this.#host.schedule();
  }

  wantTaken(): void {
    const { outlet } = this.#host;
    if (outlet.ended) return;
    this.#sending.wantTaken();
    this.#askDue = this.#sending.isReserved;
    if (this.#sending.inFlight === 0) {
      this.#host.schedule();
    } else if (!this.#askDue) {
      outlet.writer.frame(ASK, this.#index);
      outlet.wrote();
    }
  }

  stats(): LaneStats {
    return {
      name: this.name,
      capacity: this.capacity,
      sentMessages: this.#sentMessages,
      sentBytes: this.#sentBytes,
      receivedMessages: this.intake.receivedMessages,
      receivedBytes: this.intake.receivedBytes,
      sendFill: this.#sending.inFlight,
      receiveFill: this.intake.fill,
      fullCount: this.#sending.fullCount,
      blockedSince: this.#sending.blockedSince,
      idleSince: this.#wanted && this.intake.fill > 0 ? undefined : this.intake.idleSince,
      sendLatency: undefined,
      receiveLatency: undefined,
    };
  }

  /** Calls the handler with what is due. Returns whether there may be more. */
  tell(): boolean {
    if (this.#sending.answersRoom()) this.handler?.onRoom();
    while (this.handler !== undefined && this.#sending.answersTaken()) this.handler.onTaken();
    if (!this.#wanted || this.handler === undefined) return false;
    const count = this.#take(Number.POSITIVE_INFINITY);
    if (count > 0) this.handler.onRecords(count);
    return count > 0;
  }

  /** Gives up what has arrived. */
  clear(): void {
    this.intake.clear();
    this.arrivals.clear();
  }

  /** The peer reports `bytes` bytes as taken. Throws a Breach. */
  peerTook(bytes: number): void {
    if (this.#sending.peerTook(bytes)) return;
    throw new Breach(`${bytes} bytes of lane ${this.#index} were reported as taken and were not in flight`);
  }

  /** The peer asks for a report when everything up to here is taken. */
  peerAsks(): void {
    this.intake.asks();
    this.report();
  }

  /** Reports what was taken, if a report is due. */
  report(): void {
    const { outlet } = this.#host;
    // A peer that reads nothing could otherwise have reports queued without end.
    if (!this.intake.owesReport || outlet.ended || outlet.backlogged) return;
    const bytes = this.intake.report();
    if (bytes === 0) return;
    outlet.writer.frame(TAKEN, this.#index, [bytes, 0]);
    outlet.wrote();
  }

  #take(max: number): number {
    const count = this.intake.take(max);
    if (count > 0) this.report();
    return count;
  }

  /** Sends the payload of `bytes` bytes at the place with the blocks. */
  #ship(kind: BlocksKind, bytes: number, blocks: readonly Block[]): SendStatus {
    const { outlet } = this.#host;
    this.#check(bytes, 0);
    if (!this.fits(bytes, blocks.length)) {
      throw new MessageTooLargeError(this.maxBytes, tabledBytes(bytes, blocks.length));
    }
    if (outlet.ended) return ENDED;
    const shipment = this.#bulk.ship(blocks, kind === IN_BLOCK);
    if (typeof shipment === "number") return shipment;
    const size = recordBytes(bytes);
    if (!this.#hasRoom(0, size)) return outlet.ended ? ENDED : FULL;
    this.#stamp(0, bytes, frameWord(RECORD, this.#index, kind));
    this.#sending.reserve(size);
    this.#sentMessages++;
    this.#sentBytes += bytes;
    shipment.commit();
    shipment.goWith(this.#index, this.place.scratch, size, () => this.#isWritten());
    outlet.post(shipment);
    return SENT;
  }

  /** The message with blocks is written. */
  #isWritten(): void {
    if (this.#sending.unreserve()) this.#host.schedule();
    if (!this.#askDue) return;
    this.#askDue = false;
    this.#host.outlet.writer.frame(ASK, this.#index);
  }

  #check(bytes: number, at: number): void {
    if (bytes > this.maxBytes) throw new MessageTooLargeError(this.maxBytes, bytes);
    if (bytes >= 0 && at + RECORD_HEADER + bytes <= this.place.scratch.length) return;
    throw new InvalidArgumentError("bytes", "the bytes of the message at the place", bytes);
  }

  /** Writes the header of the record at `at`, and clears its padding: the peer must not see what stood there before. */
  #stamp(at: number, bytes: number, word: number): void {
    const { words, buffer } = this.place.scratch;
    words[at >>> 2] = bytes;
    words[(at >>> 2) + 1] = word;
    const end = at + recordBytes(bytes);
    for (let i = at + RECORD_HEADER + bytes; i < end; i++) buffer[i] = 0;
  }

  #go(count: number, size: number, payload: number): void {
    const { outlet } = this.#host;
    this.#sending.inFlight += size;
    this.#sentMessages += count;
    this.#sentBytes += payload;
    outlet.writer.records(this.place.scratch, size);
    outlet.wrote();
  }

  /** Returns whether there is room for a record of `size` bytes after `before` bytes of a batch, by now. */
  #hasRoom(before: number, size: number): boolean {
    const window = this.#sending;
    if (window.fits(before + size)) return true;
    if (this.#host.outlet.ended) return false;
    window.needs(size);
    this.#host.look();
    if (window.fits(before + size)) return true;
    window.fullCount++;
    return false;
  }
}

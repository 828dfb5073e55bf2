import type { Block } from "../../bulk/block.js";
import { now } from "../../clock.js";
import { Scratch } from "../../codec/codec.js";
import { MessageTooLargeError } from "../../errors.js";
import type { LaneCalls, Layout, NativeLane } from "../../native/binding.js";
import type { BlockingLane, LaneGeometry, LaneStats } from "../contract.js";
import { latencyOf } from "../latency.js";
import { RecordCursor } from "../records/cursor.js";
import { tabledBytes, writeTable } from "../records/handle-table.js";
import { Place } from "../records/place.js";
import {
  type BlocksKind,
  IN_BLOCK,
  longestPayload,
  PLAIN,
  recordBytes,
  WITH_BLOCKS,
} from "../records/record-layout.js";
import { FULL, SENT, type SendStatus } from "../records/send-status.js";
import { type Delivery, LENGTH_BYTES, type Shipping, writeLength } from "../records/shipment.js";
import { InlineConsumer } from "./inline-consumer.js";
import { InlineProducer } from "./inline-producer.js";
import type { InlineRings } from "./inline-rings.js";

/** The most records to ask the addon for at once: the largest number that fits its 32-bit word. */
export const MOST_RECORDS = 0x7fff_ffff;

/**
 * The longest wait (ms) in one call of the addon. A wait goes on from JavaScript, for two reasons. A thread
 * can be terminated only there: by `worker.terminate()`, or when the process exits. And the work of the bulk
 * lane is done there, because the thread's event loop does not run.
 */
export const SLICE = 5;

/**
 * A program that only tries, or whose messages never let it wait, may never run its event loop. So the work
 * of the event loop is done once in this many drains that found something. Once in so many drains that found
 * nothing, and sends that found no room, the clock says whether it is time again: that work includes a system
 * call, which costs some microseconds.
 */
const FULL_DRAINS = 256;
const VAIN_TRIES = 1024;
/** A call of the addon after messages that were taken inline counts as so many drains. */
const DRAINS_A_STRETCH = 16;
/** After so many single messages a lane makes itself views of its rings. A channel that is used little goes without. */
const CALLS_UNTIL_OPEN = 64;

/** The part of the connection's blocks that a lane uses. */
export interface BlockTraffic extends Shipping {
  /** Returns what came with the record at the cursor. Returns undefined for a malformed record; the connection then ends. */
  receive(records: RecordCursor): Delivery | undefined;
  /** Returns whether the connection has ended, so that no record of the peer will come. */
  hasEnded(): boolean;
  /** Does the work of the bulk lane, for a thread that blocks. */
  attend(): void;
  /** Blocks the thread until a record comes over the bulk lane, for at most `timeout` ms. */
  waitMemory(timeout: number): void;
  /** Sends the records that wait for room in the bulk lane. */
  sendWaiting(): void;
}

/**
 * A pair of rings in shared memory, driven by the addon, and inline for plain short records. Numbers go through control words, so that
 * calls have no arguments. Longer than other files: the words are private to it, and each call of the addon reads or writes some of them.
 */
export class RingLane implements BlockingLane {
  // No #members: see "The straight line" in docs/architecture.md.

  readonly name: string;
  readonly capacity: number;
  readonly maxBytes: number;
  readonly blocking = this;
  readonly written = undefined;
  declare readonly place: Place;
  declare readonly records: RecordCursor;
  // Each control word has a view of its own: an index that is a constant costs the least.
  declare private readonly argument: Int32Array;
  declare private readonly result: Int32Array;
  declare private readonly demand: Int32Array;
  declare private readonly needed: Int32Array;
  declare private readonly watching: Int32Array;
  declare private readonly kind: Int32Array;
  declare private readonly timeout: Float64Array;
  declare private readonly native: NativeLane;
  declare private readonly number: number;
  /** One word, for all lanes of the thread: a call of the addon is for the lane whose number stands there. */
  declare private readonly selected: Int32Array;
  declare private readonly layout: Layout;
  // The functions are read once: a property of a property costs on the hot path.
  private readonly callSend: () => void;
  private readonly callDrain: () => void;
  private readonly callSendWait: () => void;
  private readonly callDrainMore: () => void;
  private readonly callDrainWait: () => void;
  private readonly blocks: () => BlockTraffic;
  private readonly rings: (() => ReturnType<InlineRings["of"]>) | undefined;
  declare readonly inline: { readonly out: InlineProducer; readonly incoming: InlineConsumer };
  /** The calls of the addon that are left until the inline way opens; 0 once it has, or never will. */
  private untilOpen = CALLS_UNTIL_OPEN;
  isInline = false;
  private fullDrains = FULL_DRAINS;
  private vainTries = VAIN_TRIES;
  /** When a try in vain may do the work of the event loop again (ms). */
  private attendAgain = 0;

  /**
   * `blocks` returns the connection's blocks. It is a function, because the blocks themselves are made of a lane. `rings` returns views
   * of this lane's rings. A lane without goes by the addon alone.
   */
  constructor(
    geometry: LaneGeometry,
    native: NativeLane,
    layout: Layout,
    blocks: () => BlockTraffic,
    rings?: () => ReturnType<InlineRings["of"]>,
  ) {
    this.rings = rings;
    this.blocks = blocks;
    this.name = geometry.name;
    this.capacity = geometry.capacity;
    this.maxBytes = longestPayload(geometry.capacity);
    this.number = native.number;
    this.selected = selectedOf(native.calls);
    this.place = new Place(new Scratch(native.control, native.outboxAt, native.outboxBytes));
    this.records = new RecordCursor(new Scratch(native.control, native.inboxAt, native.inboxBytes));
    const word = (index: number) => new Int32Array(native.control, index * 4, 1);
    const { argument, result, demand, needed, watching, kind, timeout } = layout.control;
    this.argument = word(argument);
    this.result = word(result);
    this.demand = word(demand);
    this.needed = word(needed);
    this.watching = word(watching);
    this.kind = word(kind);
    this.timeout = new Float64Array(native.control, timeout * 8, 1);
    this.native = native;
    this.inline = {
      out: new InlineProducer(native.control, layout.control.producer, this.place, () =>
        this.calls.wakePeer(),
      ),
      incoming: new InlineConsumer(native.control, layout.control.consumer),
    };
    this.layout = layout;
    this.callSend = native.calls.send;
    this.callDrain = native.calls.drain;
    this.callSendWait = native.calls.sendWait;
    this.callDrainMore = native.calls.drainMore;
    this.callDrainWait = native.calls.drainWait;
  }

  /** The functions of the addon, for this lane until another one is selected. The hot ways do the same with functions of their own. */
  private get calls(): LaneCalls {
    this.selected[0] = this.number;
    return this.native.calls;
  }

  grow(bytes: number): void {
    const needed = recordBytes(bytes);
    const { scratch } = this.place;
    if (needed > scratch.length) scratch.replace(this.calls.growOutbox(needed));
  }

  movePlace(): void {
    const { place } = this;
    place.scratch = new Scratch(this.calls.growOutbox(place.scratch.length));
  }

  send(bytes: number): SendStatus {
    if (this.untilOpen > 0) this.countCall();
    this.argument[0] = bytes;
    this.selected[0] = this.number;
    this.callSend();
    return this.result[0] as SendStatus;
  }

  sendPacked(): number {
    this.argument[0] = this.place.restart();
    this.calls.sendBatch();
    return this.result[0]!;
  }

  sendWait(bytes: number, timeout: number): SendStatus {
    if (this.untilOpen > 0) this.countCall();
    const status = this.sendBlocked(bytes, Math.min(timeout, SLICE));
    if (status !== FULL || timeout <= SLICE) return status;
    return this.sendOn(bytes, timeout - SLICE);
  }

  fits(bytes: number, blocks: number): boolean {
    return tabledBytes(bytes, blocks) <= this.maxBytes;
  }

  sendWithBlocks(bytes: number, blocks: readonly Block[], timeout: number): SendStatus {
    return this.ship(WITH_BLOCKS, bytes, blocks, timeout);
  }

  sendInBlock(body: Block, bytes: number, blocks: readonly Block[], timeout: number): SendStatus {
    writeLength(this.place.scratch, this.place.at, bytes);
    return this.ship(IN_BLOCK, LENGTH_BYTES, [body, ...blocks], timeout);
  }

  takeBlocks(records: RecordCursor): Delivery | undefined {
    return this.blocks().receive(records);
  }

  drainSome(): number {
    if (this.isInline && this.inline.incoming.isUsed) {
      // The inline way comes here at intervals only, after many messages.
      this.fullDrains = Math.max(this.fullDrains - DRAINS_A_STRETCH, 1);
    } else if (this.untilOpen > 0) {
      this.countCall();
    }
    return this.drain(MOST_RECORDS);
  }

  /** Opens the inline way after many calls for single messages, if the lane's codec can use it. */
  private countCall(): void {
    const { out, incoming } = this.inline;
    if (--this.untilOpen === 0 && (out.isUsed || incoming.isUsed)) this.openInline();
  }

  foundNothing(): boolean {
    return --this.vainTries > 0;
  }

  drain(max: number): number {
    this.argument[0] = max;
    this.selected[0] = this.number;
    this.callDrain();
    const count = this.result[0]!;
    if (count === 0) return this.drainEmpty(max);
    if (--this.fullDrains === 0) this.attend();
    return this.records.begin(count);
  }

  /**
   * Like `drain`, but does no work of the event loop. The call of the addon stands twice, because V8 is
   * faster where the function is always the same: the bulk lane calls this method only.
   */
  drainAlone(max: number): number {
    this.argument[0] = max;
    this.selected[0] = this.number;
    this.callDrain();
    return this.needed[0] === 0 ? this.records.begin(this.result[0]!) : this.grown();
  }

  moveRecords(): void {
    const { records } = this;
    records.scratch = new Scratch(this.calls.growInbox(records.scratch.length));
  }

  drainWait(max: number, timeout: number): number {
    if (this.untilOpen > 0) this.countCall();
    const count = this.drainBlocked(max, Math.min(timeout, SLICE));
    if (count > 0 && --this.fullDrains === 0) this.attend();
    if (count > 0 || timeout <= SLICE) return count;
    return this.drainOn(max, timeout - SLICE);
  }

  /** Like `drainWait`, but does not look at the bulk lane meanwhile. The wait is one slice: `timeout` is at most SLICE. */
  drainBlocked(max: number, timeout: number): number {
    this.argument[0] = max;
    this.timeout[0] = timeout;
    this.selected[0] = this.number;
    this.callDrainWait();
    return this.needed[0] === 0 ? this.records.begin(this.result[0]!) : this.grown();
  }

  /** Like `drain`, but polls for about a microsecond for an answer if a message was sent since the last time. */
  drainMore(): number {
    this.argument[0] = MOST_RECORDS;
    this.selected[0] = this.number;
    this.callDrainMore();
    return this.needed[0] === 0 ? this.records.begin(this.result[0]!) : this.grown();
  }

  /** Called when there was no traffic for some seconds. */
  onQuiet(): void {
    if (this.records.left === 0) this.calls.giveBackInbox();
  }

  /** Begins at the records that the addon drained before it called `onRecords`. Returns their number. */
  drained(): number {
    // The addon returns 0 if a record needs a larger inbox.
    return this.records.begin(this.result[0]!) || this.drain(MOST_RECORDS);
  }

  waitMemory(timeout: number): void {
    this.blocks().waitMemory(timeout);
  }

  /** Opens the inline way, if this process can have it. */
  openInline(): void {
    this.untilOpen = 0;
    const rings = this.rings?.();
    if (rings === undefined) return;
    this.inline.out.open(rings.out);
    this.inline.incoming.open(rings.incoming);
    this.isInline = true;
  }

  /** Closes the inline way for good: the memory is about to go. */
  leave(): void {
    this.inline.out.leave();
    this.inline.incoming.leave();
    this.untilOpen = 0;
    this.isInline = false;
  }

  wantRecords(on: boolean): void {
    const { none, records } = this.layout.demand;
    this.demand[0] = on ? records : none;
    if (on && this.watching[0] === 0) this.calls.watch();
  }

  /** Makes the loop look for records at a bell only, whatever it rings for. */
  wantAtTheBell(): void {
    this.demand[0] = this.layout.demand.atTheBell;
  }

  wantRoom(): void {
    this.calls.wantRoom();
  }

  triedInVain(): void {
    this.attendsNow();
  }

  wantTaken(): void {
    this.calls.wantTaken();
  }

  stats(): LaneStats {
    const counters = new Float64Array(this.layout.laneStats.count);
    this.calls.stats(counters);
    const at = this.layout.laneStats;
    return {
      name: this.name,
      capacity: this.capacity,
      sentMessages: counters[at.sentMessages]!,
      sentBytes: counters[at.sentBytes]!,
      receivedMessages: counters[at.receivedMessages]!,
      receivedBytes: counters[at.receivedBytes]!,
      sendFill: counters[at.sendFill]!,
      receiveFill: counters[at.receiveFill]!,
      fullCount: counters[at.fullCount]!,
      // The addon returns 0 for "not now".
      blockedSince: counters[at.blockedSince]! || undefined,
      idleSince: counters[at.idleSince]! || undefined,
      ...this.latencies(),
    };
  }

  private latencies(): Pick<LaneStats, "sendLatency" | "receiveLatency"> {
    const { buckets } = this.layout.latency;
    const counts = new Float64Array(2 * buckets);
    this.calls.latencies(counts);
    return {
      sendLatency: latencyOf([...counts.subarray(buckets)]),
      receiveLatency: latencyOf([...counts.subarray(0, buckets)]),
    };
  }

  private ship(kind: BlocksKind, bytes: number, blocks: readonly Block[], timeout: number): SendStatus {
    const content = tabledBytes(bytes, blocks.length);
    if (content > this.maxBytes) throw new MessageTooLargeError(this.maxBytes, content);
    const shipment = this.blocks().ship(blocks, kind === IN_BLOCK);
    if (typeof shipment === "number") return shipment;
    this.lengthen(bytes, content);
    const { scratch, at } = this.place;
    const length = writeTable(scratch, at, bytes, shipment.handles, shipment.count);
    this.kind[0] = kind;
    const status = timeout > 0 ? this.sendWait(length, timeout) : this.send(length);
    this.kind[0] = PLAIN;
    if (status === SENT) shipment.commit();
    else shipment.abandon();
    return status;
  }

  /** Like `grow`, but keeps the first `bytes` bytes of the payload. */
  private lengthen(bytes: number, length: number): void {
    const { scratch, at } = this.place;
    if (recordBytes(length) <= scratch.length) return;
    const payload = Buffer.from(scratch.buffer.subarray(at, at + bytes));
    this.grow(length);
    scratch.buffer.set(payload, at);
  }

  /** Continues to wait for room, and does the work of the bulk lane meanwhile. */
  private sendOn(bytes: number, timeout: number): SendStatus {
    const until = now() + timeout;
    for (;;) {
      this.blocks().attend();
      const left = Math.max(0, until - now());
      const status = this.sendBlocked(bytes, Math.min(left, SLICE));
      if (status !== FULL || left === 0) return status;
    }
  }

  private attend(): void {
    this.fullDrains = FULL_DRAINS;
    this.blocks().attend();
  }

  /**
   * Makes room for a record that is too long for the inbox. If there was none at all, does some work of the event loop.
   * Returns the number of records that came.
   */
  private drainEmpty(max: number): number {
    if (this.needed[0] !== 0) return this.grown();
    const blocks = this.blocks();
    if (!this.attendsNow()) {
      blocks.sendWaiting();
      return 0;
    }
    // The last records of a peer that has gone may have come after the first look.
    return blocks.hasEnded() ? this.drainAlone(max) : 0;
  }

  /** Counts a try in vain. Does the work of the event loop if that is due. Returns whether it did. */
  private attendsNow(): boolean {
    if (--this.vainTries > 0) return false;
    this.vainTries = VAIN_TRIES;
    const time = now();
    if (time < this.attendAgain) return false;
    this.attendAgain = time + SLICE;
    this.blocks().attend();
    return true;
  }

  private sendBlocked(bytes: number, timeout: number): SendStatus {
    this.argument[0] = bytes;
    this.timeout[0] = timeout;
    this.selected[0] = this.number;
    this.callSendWait();
    return this.result[0] as SendStatus;
  }

  /** Continues to wait for records, as `sendOn` does for room. */
  private drainOn(max: number, timeout: number): number {
    const until = now() + timeout;
    for (;;) {
      const blocks = this.blocks();
      if (blocks.hasEnded()) return this.drainBlocked(max, 0);
      blocks.attend();
      const left = Math.max(0, until - now());
      const count = this.drainBlocked(max, Math.min(left, SLICE));
      if (count > 0 || left === 0) return count;
    }
  }

  /** Makes the inbox large enough for the record that did not fit, and drains it. */
  private grown(): number {
    this.records.scratch.replace(this.calls.growInbox(this.needed[0]!));
    this.selected[0] = this.number;
    this.callDrain();
    return this.records.begin(this.result[0]!);
  }
}

const selectedWords = new WeakMap<LaneCalls, Int32Array>();

/** Returns the word by which all lanes of the thread are selected: one view for all. */
function selectedOf(calls: LaneCalls): Int32Array {
  const known = selectedWords.get(calls);
  if (known !== undefined) return known;
  const word = new Int32Array(calls.selected);
  selectedWords.set(calls, word);
  return word;
}

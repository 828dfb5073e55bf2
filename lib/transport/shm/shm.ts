import type { Block } from "../../bulk/block.js";
import { Scratch } from "../../codec/codec.js";
import {
  ClosedError,
  CorruptError,
  MessageTooLargeError,
  PeerDiedError,
  type RingbellError,
} from "../../errors.js";
import {
  type Binding,
  CONTROL_TIMEOUT,
  Control,
  type NativeConnection,
  type NativeLane,
  type Region,
} from "../../native/binding.js";
import {
  type Connection,
  type ConnectionEnd,
  type ConnectionHandler,
  type ConnectionStats,
  FULL,
  type LaneGeometry,
  type LaneHandler,
  type LaneStats,
  SENT,
  type SendStatus,
  type TransportEnd,
} from "../contract.js";
import { regionName } from "../places/region-names.js";
import { tabledBytes, writeTable } from "../records/handle-table.js";
import {
  type BlocksKind,
  longestPayload,
  PLAIN,
  RECORD_HEADER,
  recordBytes,
} from "../records/record-layout.js";
import type { Wire } from "../wire/wire.js";
import { BULK_CAPACITY } from "./rings.js";
import { type BulkLane, LONGEST_BLOCK_OF_THREAD, ShmBulk } from "./shm-bulk.js";

/** What the addon says in onEnd. */
const ENDS: Readonly<Record<number, TransportEnd>> = {
  1: "peer-closed",
  2: "peer-died",
  3: "protocol-error",
  4: "protocol-error",
};
const ACCUSED = 4;

export interface ShmOptions {
  /** Microseconds to poll before sleeping. */
  readonly spin: number | "adaptive";
  /** Bytes that the blocks of each side may take; 0: no blocks. */
  readonly bulkBytes: number;
  /** Whether segments are made by shm_open, and can be resized by the peer; else they are sealed. */
  readonly named: boolean;
}

/**
 * The shared-memory transport over a region that both sides have mapped. Takes over the wire's socket.
 *
 * `listener`: whether this side made the region. `pending`: bytes that the handshake read too far; `passed`: the descriptor that came
 * with them, -1 if none.
 */
export function createShm(
  binding: Binding,
  wire: Wire,
  region: Region,
  geometry: readonly LaneGeometry[],
  listener: boolean,
  options: ShmOptions,
  pending: Uint8Array = new Uint8Array(0),
  passed = -1,
): Connection {
  return new ShmConnection(binding, wire.detach(), region, geometry, listener, options, pending, passed);
}

class ShmConnection implements Connection {
  readonly transport = "shm";
  readonly lanes: readonly ShmLane[];
  readonly bulk: ShmBulk;
  readonly #native: NativeConnection;
  readonly #sharedBytes: number;
  readonly #counters = new Float64Array(4);
  #handler: ConnectionHandler | undefined;
  #laneHandlers: readonly LaneHandler[] = [];
  readonly #bulkIndex: number;
  readonly #bulkLane: ShmLane;
  #early: number | undefined;
  #closed = false;

  constructor(
    binding: Binding,
    descriptor: number,
    region: Region,
    geometry: readonly LaneGeometry[],
    listener: boolean,
    { spin, bulkBytes, named }: ShmOptions,
    pending: Uint8Array,
    passed: number,
  ) {
    this.#sharedBytes = region.bytes;
    const handlers = {
      onRecords: (lane: number) => this.#onRecords(lane),
      onRoom: (lane: number) =>
        lane === this.#bulkIndex ? this.bulk.onRoom() : this.#laneHandlers[lane]?.onRoom(),
      onTaken: (lane: number) => this.#laneHandlers[lane]?.onTaken(),
      onEnd: (why: number) => this.#onEnd(why),
    };
    const window = spin === "adaptive" ? -1 : spin;
    this.#native = binding.connect(descriptor, region, listener, window, pending, handlers, passed);
    // The connection holds the memory from here on.
    region.close();
    this.#bulkIndex = geometry.length;
    const bulkLane = new ShmLane(
      { name: "", capacity: BULK_CAPACITY },
      this.#native.lanes[this.#bulkIndex]!,
      () => this.bulk,
    );
    this.bulk = new ShmBulk(binding, this.#native, bulkLane, bulkBytes, named ? regionName : undefined, {
      whyEnded: () => this.#whyEnded(),
      hasEnded: () => this.#closed || this.end !== undefined,
      onMemory: () => this.#onMemory(),
    });
    this.#bulkLane = bulkLane;
    this.lanes = geometry.map((lane, i) => new ShmLane(lane, this.#native.lanes[i]!, () => this.bulk));
  }

  start(handler: ConnectionHandler, lanes: readonly LaneHandler[]): void {
    this.#handler = handler;
    this.#laneHandlers = lanes;
    if (this.#early !== undefined) setImmediate(() => this.#onEnd(this.#early!));
  }

  #onRecords(index: number): void {
    if (index === this.#bulkIndex) {
      this.bulk.onRecords(this.#bulkLane.drained() || this.#bulkLane.drain(MOST));
      return;
    }
    const lane = this.lanes[index]!;
    const handler = this.#laneHandlers[index]!;
    let count = lane.drained();
    if (count === 0) count = lane.drain(MOST);
    for (let left = MOST_AT_ONCE; count > 0; left -= count) {
      if (handler.onRecords(count) !== true || count >= left || this.#closed) return;
      count = lane.drainMore();
    }
  }

  #onEnd(why: number): void {
    if (this.#closed) return;
    if (this.#handler === undefined) {
      this.#early = why;
      return;
    }
    const { why: reason, error } = this.#endOf(why);
    this.bulk.lookLast();
    // Who takes what had arrived takes it now; our own blocks may be on their way home among it.
    this.#handler.onEnd(reason, error);
    this.bulk.end();
  }

  #onMemory(): void {
    if (!this.#closed) this.#handler?.onMemory();
  }

  /** Why there are no more blocks. */
  #whyEnded(): RingbellError {
    const { end } = this;
    if (end?.error !== undefined) return end.error;
    return end?.why === "peer-died"
      ? new PeerDiedError("the peer ended without closing the channel")
      : new ClosedError(end === undefined ? "the channel has ended" : "the peer has closed the channel");
  }

  #endOf(code: number): ConnectionEnd {
    const why = ENDS[code] ?? "peer-died";
    if (why !== "protocol-error") return { why, error: undefined };
    const ours = this.bulk.fault ?? "what stands in the shared memory, or came over the socket, can't be";
    const message =
      code === ACCUSED
        ? "the peer says that this side broke the protocol, and has closed the channel"
        : `the peer broke the protocol: ${ours}`;
    return { why, error: new CorruptError(message) };
  }

  get end(): ConnectionEnd | undefined {
    if (this.#closed) return undefined;
    this.#native.stats(this.#counters);
    const why = this.#counters[3]!;
    return why === 0 ? undefined : this.#endOf(why);
  }

  close(why: "closed" | "corrupt"): Promise<void> {
    if (!this.#closed) {
      this.bulk.close();
      this.#closed = true;
      this.#native.close(why === "closed" ? 0 : 1);
    }
    return Promise.resolve();
  }

  destroy(): void {
    void this.close("closed");
  }

  ref(): void {
    this.#native.ref();
  }

  unref(): void {
    this.#native.unref();
  }

  stats(): ConnectionStats {
    this.#native.stats(this.#counters);
    const [bells, parks, rescues] = this.#counters as unknown as [number, number, number];
    return { bells, parks, rescues, sharedBytes: this.#sharedBytes };
  }
}

/**
 * Once so many messages were delivered in one call from the event loop, no more are looked for: some 50 µs where each is an answer that was waited
 * for. Of those that come by hundreds the reactor would otherwise not look at the clock for 64 times as long.
 */
const MOST_AT_ONCE = 65;
// Constants of this module: read off an imported object, they would be loaded at every call.
const {
  argument: ARGUMENT,
  result: RESULT,
  demand: DEMAND,
  needed: NEEDED,
  watching: WATCHING,
  kind: KIND,
} = Control;
/** What `demand` says where records are looked for at a bell only. */
const AT_THE_BELL = 2;

/** The most records to ask the addon for at once: fits its 32-bit word. */
const MOST = 0x7fff_ffff;

class ShmLane implements BulkLane {
  readonly name: string;
  readonly capacity: number;
  readonly maxBytes: number;
  readonly outbox: Scratch;
  readonly inbox: Scratch;
  readonly #control: Int32Array;
  readonly #timeout: Float64Array;
  readonly #native: NativeLane;
  readonly #counters = new Float64Array(9);
  // Read off once: a property of a property costs on the hot path.
  readonly #send: () => void;
  readonly #drain: () => void;
  readonly #sendWait: () => void;
  readonly #drainMore: () => void;
  readonly #drainWait: () => void;

  readonly #bulk: () => ShmBulk;

  /** `bulk`: the connection's, which is made of a lane itself. */
  constructor(geometry: LaneGeometry, native: NativeLane, bulk: () => ShmBulk) {
    this.#bulk = bulk;
    this.name = geometry.name;
    this.capacity = geometry.capacity;
    this.maxBytes = longestPayload(geometry.capacity);
    this.outbox = new Scratch(native.outbox);
    this.inbox = new Scratch(native.inbox);
    this.#control = new Int32Array(native.control);
    this.#timeout = new Float64Array(native.control);
    this.#native = native;
    this.#send = native.send;
    this.#drain = native.drain;
    this.#sendWait = native.sendWait;
    this.#drainMore = native.drainMore;
    this.#drainWait = native.drainWait;
  }

  growOutbox(bytes: number): void {
    if (bytes <= this.outbox.length) return;
    this.outbox.replace(this.#native.growOutbox(bytes));
  }

  send(bytes: number): SendStatus {
    const control = this.#control;
    control[ARGUMENT] = bytes;
    this.#send();
    return control[RESULT] as SendStatus;
  }

  sendBatch(count: number): number {
    this.#control[ARGUMENT] = count;
    this.#native.sendBatch();
    return this.#control[RESULT]!;
  }

  sendWait(bytes: number, timeout: number): SendStatus {
    const status = this.#sendBlocked(bytes, Math.min(timeout, LONGEST_BLOCK_OF_THREAD));
    if (status !== FULL || timeout <= LONGEST_BLOCK_OF_THREAD) return status;
    return this.#sendOn(bytes, timeout - LONGEST_BLOCK_OF_THREAD);
  }

  /** Goes on waiting, and does meanwhile what is to be done on the bulk lane. */
  #sendOn(bytes: number, timeout: number): SendStatus {
    const until = performance.now() + timeout;
    for (;;) {
      const bulk = this.#bulk();
      bulk.attend();
      const left = Math.max(0, until - performance.now());
      const status = this.#sendBlocked(bytes, bulk.isBusy ? Math.min(left, LONGEST_BLOCK_OF_THREAD) : left);
      if (status !== FULL || left === 0) return status;
    }
  }

  #sendBlocked(bytes: number, timeout: number): SendStatus {
    this.#control[ARGUMENT] = bytes;
    this.#timeout[CONTROL_TIMEOUT] = timeout;
    this.#sendWait();
    return this.#control[RESULT] as SendStatus;
  }

  sendBlocks(kind: BlocksKind, bytes: number, blocks: readonly Block[], timeout: number): SendStatus {
    const length = tabledBytes(bytes, blocks.length);
    if (length > this.maxBytes) throw new MessageTooLargeError(this.maxBytes, length);
    const bulk = this.#bulk();
    const status = bulk.prepare(kind, blocks);
    if (status !== SENT) return status;
    if (this.outbox.length < recordBytes(length)) {
      const payload = Buffer.from(this.outbox.buffer.subarray(RECORD_HEADER, RECORD_HEADER + bytes));
      this.growOutbox(recordBytes(length));
      this.outbox.buffer.set(payload, RECORD_HEADER);
    }
    writeTable(this.outbox, bytes, bulk.handles, bulk.handleCount);
    this.#control[KIND] = kind;
    const sent = timeout > 0 ? this.sendWait(length, timeout) : this.send(length);
    this.#control[KIND] = PLAIN;
    if (sent === SENT) bulk.commit(kind, blocks);
    else bulk.abandon();
    return sent;
  }

  takeBlocks(scratch: Scratch, at: number): number {
    return this.#bulk().take(scratch, at);
  }

  drain(max: number): number {
    const control = this.#control;
    control[ARGUMENT] = Math.min(max, MOST);
    this.#drain();
    if (control[NEEDED] !== 0) return this.#grown();
    const count = control[RESULT]!;
    // Who asks again and again may not come to the event loop, either.
    if (count === 0) this.#bulk().sendWaiting();
    return count;
  }

  drainWait(max: number, timeout: number): number {
    const count = this.drainBlocked(max, Math.min(timeout, LONGEST_BLOCK_OF_THREAD));
    if (count > 0 || timeout <= LONGEST_BLOCK_OF_THREAD) return count;
    return this.#drainOn(max, timeout - LONGEST_BLOCK_OF_THREAD);
  }

  /** As `#sendOn`. */
  #drainOn(max: number, timeout: number): number {
    const until = performance.now() + timeout;
    for (;;) {
      const bulk = this.#bulk();
      if (bulk.hasEnded) return this.drainBlocked(max, 0);
      bulk.attend();
      const left = Math.max(0, until - performance.now());
      const count = this.drainBlocked(max, bulk.isBusy ? Math.min(left, LONGEST_BLOCK_OF_THREAD) : left);
      if (count > 0 || left === 0) return count;
    }
  }

  drainBlocked(max: number, timeout: number): number {
    const control = this.#control;
    control[ARGUMENT] = Math.min(max, MOST);
    this.#timeout[CONTROL_TIMEOUT] = timeout;
    this.#drainWait();
    return control[NEEDED] === 0 ? control[RESULT]! : this.#grown();
  }

  /** As `drain`, but polls for about a microsecond for an answer, if something was sent since the last time. */
  drainMore(): number {
    const control = this.#control;
    control[ARGUMENT] = MOST;
    this.#drainMore();
    return control[NEEDED] === 0 ? control[RESULT]! : this.#grown();
  }

  /** What the addon drained before it called onRecords; 0 where a record needs a larger inbox. */
  drained(): number {
    return this.#control[RESULT]!;
  }

  /** Makes the inbox large enough for the record that did not fit, and drains it. */
  #grown(): number {
    const control = this.#control;
    this.inbox.replace(this.#native.growInbox(control[NEEDED]!));
    this.#drain();
    return control[RESULT]!;
  }

  wantRecords(on: boolean): void {
    const control = this.#control;
    control[DEMAND] = on ? 1 : 0;
    if (on && control[WATCHING] === 0) this.#native.watch();
  }

  wantAtTheBell(): void {
    this.#control[DEMAND] = AT_THE_BELL;
  }

  wantRoom(): void {
    this.#native.wantRoom();
  }

  wantTaken(): void {
    this.#native.wantTaken();
  }

  stats(): LaneStats {
    const counters = this.#counters;
    this.#native.stats(counters);
    return {
      name: this.name,
      capacity: this.capacity,
      sentMessages: counters[0]!,
      sentBytes: counters[1]!,
      receivedMessages: counters[2]!,
      receivedBytes: counters[3]!,
      sendFill: counters[4]!,
      receiveFill: counters[5]!,
      fullCount: counters[6]!,
      blockedSince: counters[7]! || undefined,
      idleSince: counters[8]! || undefined,
    };
  }
}

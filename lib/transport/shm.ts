import { Scratch } from "../codec/codec.js";
import { CorruptError } from "../errors.js";
import {
  type Binding,
  CONTROL_TIMEOUT,
  Control,
  type NativeConnection,
  type NativeLane,
  type Region,
} from "../native/binding.js";
import {
  type Connection,
  type ConnectionEnd,
  type ConnectionHandler,
  type ConnectionStats,
  type LaneGeometry,
  type LaneHandler,
  type LaneStats,
  longestPayload,
  type SendStatus,
  type TransportEnd,
  type TransportLane,
  type Wire,
} from "./contract.js";

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
}

/**
 * The shared-memory transport over a region that both sides have mapped. Takes over the wire's socket.
 *
 * `listener`: whether this side made the region. `pending`: bytes that the handshake read too far.
 */
export function createShm(
  binding: Binding,
  wire: Wire,
  region: Region,
  geometry: readonly LaneGeometry[],
  listener: boolean,
  options: ShmOptions,
  pending: Uint8Array = new Uint8Array(0),
): Connection {
  return new ShmConnection(
    binding,
    wire.detach(),
    region,
    geometry,
    listener,
    options.spin === "adaptive" ? -1 : options.spin,
    pending,
  );
}

class ShmConnection implements Connection {
  readonly transport = "shm";
  readonly lanes: readonly ShmLane[];
  readonly #native: NativeConnection;
  readonly #sharedBytes: number;
  readonly #counters = new Float64Array(4);
  #handler: ConnectionHandler | undefined;
  #laneHandlers: readonly LaneHandler[] = [];
  #early: number | undefined;
  #closed = false;

  constructor(
    binding: Binding,
    descriptor: number,
    region: Region,
    geometry: readonly LaneGeometry[],
    listener: boolean,
    spin: number,
    pending: Uint8Array,
  ) {
    this.#sharedBytes = region.bytes;
    this.#native = binding.connect(descriptor, region, listener, spin, pending, {
      onRecords: (lane) => this.#onRecords(lane),
      onRoom: (lane) => this.#laneHandlers[lane]?.onRoom(),
      onTaken: (lane) => this.#laneHandlers[lane]?.onTaken(),
      onEnd: (why) => this.#onEnd(why),
    });
    // The connection holds the memory from here on.
    region.close();
    this.lanes = geometry.map((lane, i) => new ShmLane(lane, this.#native.lanes[i]!));
  }

  start(handler: ConnectionHandler, lanes: readonly LaneHandler[]): void {
    this.#handler = handler;
    this.#laneHandlers = lanes;
    if (this.#early !== undefined) setImmediate(() => this.#onEnd(this.#early!));
  }

  #onRecords(index: number): void {
    const lane = this.lanes[index]!;
    const handler = this.#laneHandlers[index]!;
    let count = lane.drained();
    if (count === 0) count = lane.drain(MOST);
    for (let rounds = 0; count > 0; rounds++) {
      if (handler.onRecords(count) !== true || rounds === ROUNDS || this.#closed) return;
      count = lane.drainMore();
    }
  }

  #onEnd(why: number): void {
    if (this.#closed) return;
    if (this.#handler === undefined) {
      this.#early = why;
      return;
    }
    const { why: reason, error } = endOf(why);
    this.#handler.onEnd(reason, error);
  }

  get end(): ConnectionEnd | undefined {
    if (this.#closed) return undefined;
    this.#native.stats(this.#counters);
    const why = this.#counters[3]!;
    return why === 0 ? undefined : endOf(why);
  }

  close(why: "closed" | "corrupt"): Promise<void> {
    if (!this.#closed) {
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

function endOf(code: number): ConnectionEnd {
  const why = ENDS[code] ?? "peer-died";
  if (why !== "protocol-error") return { why, error: undefined };
  const message =
    code === ACCUSED
      ? "the peer says that this side broke the protocol, and has closed the channel"
      : "the peer broke the protocol: what stands in the shared memory, or came over the socket, can't be";
  return { why, error: new CorruptError(message) };
}

/** Deliveries in one call from the event loop: some 50 µs where each waits for an answer to arrive. */
const ROUNDS = 64;
// Constants of this module: read off an imported object, they would be loaded at every call.
const { argument: ARGUMENT, result: RESULT, demand: DEMAND, needed: NEEDED, watching: WATCHING } = Control;

/** The most records to ask the addon for at once: fits its 32-bit word. */
const MOST = 0x7fff_ffff;

class ShmLane implements TransportLane {
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

  constructor(geometry: LaneGeometry, native: NativeLane) {
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
    this.#control[ARGUMENT] = bytes;
    this.#timeout[CONTROL_TIMEOUT] = timeout;
    this.#sendWait();
    return this.#control[RESULT] as SendStatus;
  }

  drain(max: number): number {
    const control = this.#control;
    control[ARGUMENT] = Math.min(max, MOST);
    this.#drain();
    return control[NEEDED] === 0 ? control[RESULT]! : this.#grown();
  }

  drainWait(max: number, timeout: number): number {
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

import { setImmediate } from "../../clock.js";
import { Ending } from "../../ending.js";
import { type RingbellError, TransportError } from "../../errors.js";
import type { Binding, Layout, NativeConnection, Region } from "../../native/binding.js";
import { assertLayout } from "../../native/layout.js";
import type {
  Cells,
  Connection,
  ConnectionHandler,
  ConnectionStats,
  LaneGeometry,
  LaneHandler,
} from "../contract.js";
import { FIRST_LATENCY, LATENCY_BUCKETS } from "../latency.js";
import { regionName } from "../places/region-names.js";
import {
  IN_BLOCK,
  KIND_SHIFT,
  longestPayload,
  PLAIN,
  RECORD_HEADER,
  recordBytes,
  WITH_BLOCKS,
} from "../records/record-layout.js";
import { ENDED, FULL, SENT } from "../records/send-status.js";
import { ownFailure } from "../wire/own-failure.js";
import type { Wire } from "../wire/wire.js";
import { SharedCells } from "./cells.js";
import { InlineRings, type RingUse, ringUse } from "./inline-rings.js";
import { AWAKE, BYTES_EACH, END_WORDS, LIMIT, MESSAGES, POSITION, PUBLISHED } from "./inline-words.js";
import { MOST_RECORDS, RingLane } from "./ring-lane.js";
import { BULK_CAPACITY, ringCapacities } from "./rings.js";
import { SharedBulk } from "./shared-bulk.js";

/**
 * After this many messages in one call from the event loop, no more are looked for. If each is an answer to a
 * message, that is some 50 µs. For messages that come by hundreds, the reactor would otherwise look at the
 * clock only after 64 times as long.
 */
const MOST_AT_ONCE = 65;

export interface ShmOptions {
  /** How long to poll before sleeping, in microseconds. */
  readonly spin: number | "adaptive";
  /** The most bytes that the blocks of each side may take; 0: no blocks. */
  readonly bulkBytes: number;
  /** Whether segments are made by shm_open; the peer can resize those. Otherwise they are sealed. */
  readonly named: boolean;
  /** How short messages go. Default: as RINGBELL_RING says. */
  readonly ring?: RingUse;
  /** The peer's process, for the texts of errors; undefined if it is not known. */
  readonly pid?: number | undefined;
}

/**
 * Makes the shared-memory transport over a region that both sides have mapped. Takes over the wire's socket.
 *
 * `listener`: whether this side made the region. `pending`: bytes after the handshake that were read with it.
 * `passed`: the descriptor that came with them, or -1.
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
  checkNumbers(binding.layout);
  return new ShmConnection(binding, wire.detach(), region, geometry, listener, options, pending, passed);
}

let checked = false;

/** Compares, once, the numbers that TypeScript knows without the addon with the addon's. (The stream has the same records.) */
function checkNumbers(layout: Layout): void {
  if (checked) return;
  assertLayout(layout, {
    sent: { sent: SENT, full: FULL, ended: ENDED },
    batch: { most: MOST_RECORDS },
    endWords: {
      position: POSITION,
      limit: LIMIT,
      messages: MESSAGES,
      bytesEach: BYTES_EACH,
      words: END_WORDS,
    },
    parked: { awake: AWAKE },
    latency: { buckets: LATENCY_BUCKETS, firstBits: Math.log2(FIRST_LATENCY) },
    record: {
      headerBytes: RECORD_HEADER,
      alignment: recordBytes(1) - recordBytes(0),
      published: PUBLISHED >>> 0,
      kindWord: 1,
      scratchKindShift: KIND_SHIFT,
      kinds: { message: PLAIN, withBlocks: WITH_BLOCKS, inBlock: IN_BLOCK },
    },
    ring: {
      recordShare: layout.ring.largestCapacity / recordBytes(longestPayload(layout.ring.largestCapacity)),
    },
  });
  checked = true;
}

class ShmConnection implements Connection {
  readonly transport = "shm";
  readonly ending: Ending;
  readonly lanes: readonly RingLane[];
  readonly bulk: SharedBulk;
  readonly #native: NativeConnection;
  readonly #sharedBytes: number;
  readonly #layout: Layout;
  readonly #counters: Float64Array;
  #handler: ConnectionHandler | undefined;
  #laneHandlers: readonly LaneHandler[] = [];
  /** The index of the bulk lane, the last one. */
  readonly #bulkIndex: number;
  readonly #bulkLane: RingLane;
  /** Whether the addon reported the end before `start`. */
  #early = false;
  #closed = false;
  readonly #listener: boolean;
  #cellsBuffer: ArrayBuffer | undefined;
  #cells: SharedCells | undefined;
  readonly #descriptor: number;
  readonly #rings: InlineRings;

  constructor(
    binding: Binding,
    descriptor: number,
    region: Region,
    geometry: readonly LaneGeometry[],
    listener: boolean,
    { spin, bulkBytes, named, pid, ring = ringUse() }: ShmOptions,
    pending: Uint8Array,
    passed: number,
  ) {
    this.ending = new Ending(pid);
    const { layout } = binding;
    this.#layout = layout;
    this.#counters = new Float64Array(layout.connectionStats.count);
    this.#sharedBytes = region.bytes;
    const handlers = {
      onRecords: (lane: number) => this.#onRecords(lane),
      onRoom: (lane: number) =>
        lane === this.#bulkIndex ? this.bulk.onRoom() : this.#laneHandlers[lane]?.onRoom(),
      onTaken: (lane: number) => this.#laneHandlers[lane]?.onTaken(),
      onEnd: (why: number) => this.#onEnd(why),
      onQuiet: (lane: number) => (lane === this.#bulkIndex ? this.#bulkLane : this.lanes[lane])?.onQuiet(),
    };
    const window = spin === "adaptive" ? -1 : spin;
    this.#listener = listener;
    this.#native = binding.connect(descriptor, region, listener, window, pending, handlers, passed);
    this.#descriptor = region.descriptor;
    // The native connection holds the memory, and its descriptor, from here on.
    region.close();
    this.#bulkIndex = geometry.length;
    const blocks = () => this.bulk;
    this.#bulkLane = new RingLane(
      { name: "", capacity: BULK_CAPACITY },
      this.#native.lanes[this.#bulkIndex]!,
      layout,
      blocks,
    );
    const newName = named ? regionName : undefined;
    this.bulk = new SharedBulk(binding, this.#native, this.#bulkLane, bulkBytes, newName, {
      ending: this.ending,
      look: () => this.look(),
      failed: (error) => this.#failed(error),
      onMemory: () => {
        if (!this.#closed) this.#handler?.onMemory();
      },
    });
    const capacities = ringCapacities(geometry);
    this.#rings = new InlineRings(this.#native, layout, listener, capacities, region.bytes, ring);
    this.lanes = geometry.map(
      (lane, i) => new RingLane(lane, this.#native.lanes[i]!, layout, blocks, () => this.#rings.of(i)),
    );
    if (ring === "inline") for (const lane of this.lanes) lane.openInline();
  }

  /** Made for those that ask: most channels have no use for them. */
  get cells(): Cells | undefined {
    if (this.#cells === undefined && !this.#closed) {
      this.#cellsBuffer = this.#native.cells();
      if (this.#cellsBuffer !== undefined) this.#cells = new SharedCells(this.#cellsBuffer, this.#listener);
    }
    return this.#cells;
  }

  get memory(): number | undefined {
    return this.#closed || this.#descriptor < 0 ? undefined : this.#descriptor;
  }

  start(handler: ConnectionHandler, lanes: readonly LaneHandler[]): void {
    this.#handler = handler;
    this.#laneHandlers = lanes;
    if (this.#early) setImmediate(() => this.#tellEnd());
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.ending.byUs();
      this.bulk.close();
      this.#closed = true;
      this.#leaveCells();
      for (const lane of this.lanes) lane.leave();
      this.#rings.close();
      const { corrupt, closed } = this.#layout.close;
      this.#native.close(this.ending.reason === "protocol-error" ? corrupt : closed);
    }
    return Promise.resolve();
  }

  destroy(): void {
    void this.close();
  }

  look(): void {
    if (this.#closed || this.ending.reason !== undefined) return;
    this.#native.look();
    this.#native.stats(this.#counters);
    this.#set(this.#counters[this.#layout.connectionStats.end]!);
  }

  ref(): void {
    this.#native.ref();
  }

  unref(): void {
    this.#native.unref();
  }

  stats(): ConnectionStats {
    this.#native.stats(this.#counters);
    const counters = this.#counters;
    const at = this.#layout.connectionStats;
    return {
      bells: counters[at.bells]!,
      parks: counters[at.parks]!,
      rescues: counters[at.rescues]!,
      sharedBytes: this.#sharedBytes,
    };
  }

  #onRecords(index: number): void {
    if (index === this.#bulkIndex) {
      this.#bulkLane.drained();
      this.bulk.onRecords();
      return;
    }
    const lane = this.lanes[index]!;
    const handler = this.#laneHandlers[index]!;
    let count = lane.drained();
    for (let left = MOST_AT_ONCE; count > 0; left -= count) {
      if (handler.onRecords(count) !== true || count >= left || this.#closed) return;
      count = lane.drainMore();
    }
  }

  #leaveCells(): void {
    this.#cells?.leave();
    if (this.#cellsBuffer !== undefined) this.#native.dropView(this.#cellsBuffer);
    this.#cellsBuffer = undefined;
  }

  #onEnd(why: number): void {
    if (this.#closed) return;
    this.#set(why);
    if (this.#handler === undefined) this.#early = true;
    else this.#tellEnd();
  }

  /** Ends the connection because this side can't go on. */
  #failed(error: RingbellError): void {
    if (this.ending.reason !== undefined) return;
    this.ending.weFailed(error);
    if (this.#handler === undefined) this.#early = true;
    else setImmediate(() => this.#tellEnd());
  }

  #tellEnd(): void {
    if (this.#closed) return;
    this.bulk.lookLast();
    // The channel now takes what had arrived. Blocks of this side may be among it, on their way home.
    this.#handler!.onEnd();
    this.bulk.end();
  }

  /** Notes the addon's reason of the end: one of `layout.end`. */
  #set(why: number): void {
    const { peerClosed, peerDied, corrupt, accused, failed } = this.#layout.end;
    if (why === peerClosed) this.ending.peerClosed();
    else if (why === peerDied) this.ending.peerDied();
    else if (why === corrupt) this.ending.peerBroke("malformed data in the shared memory or on the socket");
    else if (why === accused) this.ending.peerAccuses();
    else if (why === failed) this.ending.weFailed(this.#whyFailed());
  }

  #whyFailed(): RingbellError {
    const what = "the system refuses this process to use the channel's socket";
    try {
      this.#native.throwFailure();
    } catch (cause) {
      return ownFailure(cause, what) ?? new TransportError(what, { cause });
    }
    return new TransportError(what);
  }
}

import { Scratch } from "../../codec/codec.js";
import type { Layout, NativeConnection } from "../../native/binding.js";
import type { RingViews } from "./ring-views.js";

/**
 * Regions up to so many bytes are shown to JavaScript whole. V8 counts such memory as its own, and collects garbage more often for it.
 */
const LARGEST_REGION = 64 * 1024 * 1024;

/**
 * How short messages go: `native` by the addon alone; `inline` also without it, from the first message on, and `auto` once a lane has been
 * used for some time. RINGBELL_RING says it.
 */
export type RingUse = "auto" | "inline" | "native";

export function ringUse(): RingUse {
  const value = process.env.RINGBELL_RING;
  return value === "inline" || value === "native" ? value : "auto";
}

/** The views of a connection's rings. They are made for the first lane that is used enough, and end with the connection. */
export class InlineRings {
  readonly #native: NativeConnection;
  readonly #layout: Layout;
  readonly #listener: boolean;
  readonly #capacities: readonly number[];
  #memory: ArrayBuffer | undefined;
  #closed: boolean;

  /** `capacities`: of all lanes, in their order. `bytes`: of the region. */
  constructor(
    native: NativeConnection,
    layout: Layout,
    listener: boolean,
    capacities: readonly number[],
    bytes: number,
    use: RingUse,
  ) {
    this.#native = native;
    this.#layout = layout;
    this.#listener = listener;
    this.#capacities = capacities;
    this.#closed = bytes > LARGEST_REGION || use === "native";
  }

  /** Returns the ring that this side sends on in a lane, and the one that it receives from; undefined if JavaScript can't have them. */
  of(lane: number): { readonly out: RingViews; readonly incoming: RingViews } | undefined {
    const memory = this.#show();
    if (memory === undefined) return undefined;
    const { consumerState, producerState, marked } = this.#layout.region;
    const out = this.#listener ? 0 : 1;
    return {
      out: this.#views(memory, lane, out, consumerState, consumerState),
      incoming: this.#views(memory, lane, 1 - out, producerState, marked),
    };
  }

  /** Takes the memory from all views: it is about to go. */
  close(): void {
    this.#closed = true;
    if (this.#memory !== undefined) this.#native.dropView(this.#memory);
    this.#memory = undefined;
  }

  #show(): ArrayBuffer | undefined {
    if (this.#closed || this.#memory !== undefined) return this.#memory;
    const memory = this.#native.memory();
    if (memory === undefined) return undefined;
    if (atomicsWork() && this.#isSeen(memory)) {
      this.#memory = memory;
      return memory;
    }
    this.#closed = true;
    this.#native.dropView(memory);
    return undefined;
  }

  /** Whether the view shows what native code has written: the header of the region. */
  #isSeen(memory: ArrayBuffer): boolean {
    const { versionAt, version, lanesAt } = this.#layout.region;
    const words = new Int32Array(memory, 0, this.#layout.region.headerBytes / Int32Array.BYTES_PER_ELEMENT);
    const word = (at: number) => Atomics.load(words, at / Int32Array.BYTES_PER_ELEMENT);
    return word(versionAt) === version && word(lanesAt) === this.#capacities.length;
  }

  /** `first` and `last`: the offsets in the ring's control of the peer's words. */
  #views(memory: ArrayBuffer, lane: number, ring: number, first: number, last: number): RingViews {
    const { headerBytes, controlBytes, ringsALane, dataAlignment } = this.#layout.region;
    const controls = headerBytes + controlBytes * ringsALane * this.#capacities.length;
    const before = this.#capacities.slice(0, lane).reduce((sum, capacity) => sum + ringsALane * capacity, 0);
    const data = Math.ceil(controls / dataAlignment) * dataAlignment + before;
    const control = headerBytes + controlBytes * (lane * ringsALane + ring);
    const capacity = this.#capacities[lane]!;
    const marked = (last - first) / Int32Array.BYTES_PER_ELEMENT;
    return {
      data: new Scratch(memory, data + ring * capacity, capacity),
      peer: new Int32Array(memory, control + first, marked + 1),
      marked,
    };
  }
}

let works: boolean | undefined;

/**
 * Whether this engine does what the inline way needs. ECMAScript promises no order for Atomics on memory that is not a SharedArrayBuffer.
 * V8 makes the same instructions for both: those with which native code orders its own accesses. So other engines are refused, and one
 * whose Atomics do not go through to the memory.
 */
function atomicsWork(): boolean {
  works ??= process.versions.v8 !== undefined && isLittleEndian() && goThrough();
  return works;
}

function isLittleEndian(): boolean {
  return new Uint8Array(new Int32Array([1]).buffer)[0] === 1;
}

function goThrough(): boolean {
  const words = new Int32Array(2);
  const view = new DataView(words.buffer);
  try {
    Atomics.store(words, 1, -0x7fff_fff0);
    return (
      view.getInt32(4, true) === -0x7fff_fff0 && Atomics.load(words, 1) === -0x7fff_fff0 && words[0] === 0
    );
  } catch {
    return false;
  }
}

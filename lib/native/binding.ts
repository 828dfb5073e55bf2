import type { Layout } from "./layout.js";

export type { Layout } from "./layout.js";

/** A process as the kernel names it. */
export interface Credentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * The addon, as native/addon.cc and native/js/ export it. A failed system call throws an Error with `code`
 * (such as `ENOENT`), `errno` (negative, as Node has it), `syscall` and, if there is one, `path`.
 */
export interface Binding {
  /**
   * Makes a listening, non-blocking Unix socket. Its file has the permission bits `mode` before anyone can
   * connect. Returns the descriptor.
   */
  socketListen(path: string, mode: number, backlog: number): number;
  /** Accepts one connection, non-blocking. Returns -1 if none waits. */
  socketAccept(descriptor: number): number;
  /** Connects, non-blocking. Throws ENOENT, ECONNREFUSED, EACCES, or EAGAIN if the listener's backlog is full. */
  socketConnect(path: string): number;
  /** Returns the process at the other end at the time when it connected or listened, as the kernel knows it. */
  socketCredentials(descriptor: number): Credentials;
  /**
   * Writes from `offset` on, and passes `passed` along unless it is -1. Returns the bytes written, or -1 if
   * the kernel takes none now. Throws EPIPE, ECONNRESET.
   */
  socketSend(descriptor: number, bytes: Uint8Array, offset: number, passed: number): number;
  /** Reads into `into`. Returns the bytes read, 0 at the end, or -1 if there are none now. */
  socketReceive(descriptor: number, into: Uint8Array): number;
  /**
   * Returns the descriptor that came with the last `socketReceive` on any socket of this thread, once; -1
   * without one. The next `socketReceive` closes a descriptor that was not taken.
   */
  socketTakeDescriptor(): number;
  closeDescriptor(descriptor: number): void;
  /**
   * Opens the file, or makes it (0600), and locks it for as long as the descriptor is open. Returns -1 if
   * another process holds the lock. The kernel frees the lock with the process.
   */
  lockFile(path: string): number;
  /**
   * Returns when a process started, in a unit of the platform; 0 if there is no such process. Together with
   * the pid it names a process for good.
   */
  processStart(pid: number): number;
  /** Calls `callback(readable, writable)` from the event loop of this thread whenever one of them is true (level-triggered). */
  watch(descriptor: number, callback: (readable: boolean, writable: boolean) => void): Watcher;

  /**
   * Makes a region for the lanes with a random nonce in it. `name` is "" for a sealed region (memfd, Linux
   * only), else such as `/ringbell-…`. Throws ENOSPC, ENOMEM, EMFILE.
   */
  regionCreate(capacities: readonly number[], name: string): Region;
  /**
   * Maps the region that the peer made: by name, or (name "") by descriptor, which is consumed even on
   * failure. Throws EINVAL if size, seals or header are not as agreed.
   */
  regionOpen(capacities: readonly number[], name: string, descriptor: number): Region;
  /** Removes the name of a region. A missing name is no error. */
  regionUnlink(name: string): void;

  /**
   * Makes memory for blocks: `bytes` (a multiple of the page size), all of it allocated. `name` is "" for
   * sealed memory (memfd, Linux only), else such as `/ringbell-…`; that name is removed before this returns.
   * Throws ENOSPC, ENOMEM, EMFILE.
   */
  segmentCreate(bytes: number, name: string): Segment;
  /** Like `segmentCreate`, on another thread. The kernel clears the memory, which takes tenths of a second for a gigabyte. */
  segmentCreateSoon(bytes: number, name: string): Promise<Segment>;
  /**
   * Maps the segment that the peer made. The descriptor is consumed even on failure. Throws EINVAL in three
   * cases: it is too short; it can be resized although it is not `resizable` by agreement; it can be written
   * although it is said to be `immutable`.
   */
  segmentOpen(descriptor: number, bytes: number, resizable: boolean, immutable: boolean): Segment;
  /** Makes glibc keep up to 64 MiB of freed memory for later allocations, in the whole process. Only the first call has an effect. */
  keepFreedMemory(): void;
  /** Asks the kernel for huge pages, if it gives them on request: all of the bytes are about to be written. */
  adviseHugePages(bytes: Uint8Array): void;

  /**
   * Takes over the socket and the region, and makes the lanes. `listener`: whether this side made the region.
   * `pending`: bytes after the handshake that were read with it. `passed`: the descriptor that came with
   * them, which is consumed, or -1.
   */
  connect(
    descriptor: number,
    region: Region,
    listener: boolean,
    spin: number,
    pending: Uint8Array,
    handlers: NativeHandlers,
    passed?: number,
  ): NativeConnection;

  /** The number of cores this process may run on. */
  readonly cores: number;
  /** The version of the shared memory's layout (native/layout.h). Two peers compare it when they connect. */
  readonly abiVersion: number;
  /** The version of this interface (native/js/numbers.h). An addon of another version is refused when it is loaded. */
  readonly interfaceVersion: number;
  /** The numbers that both languages must know; deeply frozen. */
  readonly layout: Layout;
  /** Whether ArrayBuffers may show shared memory. Electron forbids that, so it has no blocks. */
  readonly externalBuffers: boolean;
}

export interface Watcher {
  /** Sets which events are wanted. Both false: none. */
  set(readable: boolean, writable: boolean): void;
  ref(): void;
  unref(): void;
  /** Stops for good. The descriptor stays open. Idempotent. */
  close(): void;
}

export interface Region {
  /** 32 hex digits that stand in the region. A peer that can read them sees the same memory. */
  readonly nonce: string;
  readonly bytes: number;
  /** The descriptor for the peer; -1 for a region with a name, and after `closeDescriptor`. */
  readonly descriptor: number;
  closeDescriptor(): void;
  /** Unmaps the region, unless a connection uses it. */
  close(): void;
}

/**
 * Memory for blocks. `close` unmaps it if each view of it was detached. A view that a program has taken (by a
 * byte stream, or by ArrayBuffer.prototype.transfer) keeps it mapped until it is collected.
 */
export interface Segment {
  readonly bytes: number;
  /** Returns a new ArrayBuffer over `length` bytes at `offset`. */
  view(offset: number, length: number): ArrayBuffer;
  /** Detaches a view: its length, and that of the arrays over it, is 0 from then on. */
  detach(view: ArrayBuffer): void;
  /**
   * Seals the segment against writing. No other process sees bytes that this process writes to its views from
   * now on. Throws EBUSY if another process has mapped it.
   */
  makeImmutable(): void;
  /** Forgets bytes that were written to the private mapping of an immutable segment. */
  discard(): void;
  /** Closes the descriptor of a segment that will not be passed on any more. */
  closeDescriptor(): void;
  close(): void;
}

export interface NativeHandlers {
  onRecords(lane: number): void;
  onRoom(lane: number): void;
  onTaken(lane: number): void;
  /** `why`: one of `Layout.end`, except `none`. */
  onEnd(why: number): void;
  /** Called once after traffic that made the lane's inbox large, when there was none for some seconds. */
  onQuiet?(lane: number): void;
}

/** One side of a lane. Its functions are those of all lanes: `calls`. */
export interface NativeLane {
  /** The number that selects this lane for a call. */
  readonly number: number;
  readonly calls: LaneCalls;
  /**
   * Memory that begins with the control words, by which JavaScript and the addon pass numbers without arguments: `Layout.control`. The
   * outbox, and the first inbox, are parts of it.
   */
  readonly control: ArrayBuffer;
  readonly outboxAt: number;
  readonly outboxBytes: number;
  readonly inboxAt: number;
  readonly inboxBytes: number;
}

/**
 * The functions of all lanes of this thread. Each call is for the lane whose number was written to `selected` before. A function takes
 * memory: functions of its own would be most of what an idle lane takes.
 */
export interface LaneCalls {
  readonly selected: ArrayBuffer;
  /** Makes a new outbox, or inbox, of so many bytes at least, or as many as the lane can use. */
  growOutbox(bytes: number): ArrayBuffer;
  growInbox(bytes: number): ArrayBuffer;
  /** Gives the memory of a large inbox back until it is used again: nothing in it is needed any more. */
  giveBackInbox(): void;
  send(): void;
  /** Wakes the peer if it sleeps, after a record was published. */
  wakePeer(): void;
  sendBatch(): void;
  sendWait(): void;
  drain(): void;
  /**
   * Like `drain`, after polling for about a microsecond for an answer to messages sent since the last time.
   * Does nothing if none were sent, or if the lane does not poll (spin 0, or polling did not pay).
   */
  drainMore(): void;
  drainWait(): void;
  /** Must be called when the control word `demand` becomes `Layout.demand.records` while `watching` is 0. */
  watch(): void;
  wantRoom(): void;
  wantTaken(): void;
  /** Writes the counters of `Layout.laneStats`. Does nothing if `into` is too short. */
  stats(into: Float64Array): void;
  /** Writes two histograms of latency, `Layout.latency.buckets` numbers each: messages received, and messages sent. Does nothing if `into` is too short. */
  latencies(into: Float64Array): void;
}

export interface NativeConnection {
  readonly lanes: readonly NativeLane[];
  /** `why`: one of `Layout.close`. */
  close(why: number): void;
  ref(): void;
  unref(): void;
  /** Writes the counters of `Layout.connectionStats`; `end` is one of `Layout.end`. Does nothing if `into` is too short. */
  stats(into: Float64Array): void;
  /**
   * Passes the segment's descriptor to the peer. Returns false in two cases. The socket is full because the
   * peer has not read it for long: `onRoom` then comes for the last lane when it takes more. Or the kernel
   * has too many descriptors on their way: no event reports when that changes. Throws EPIPE or ECONNRESET if
   * the peer has gone.
   */
  pass(segment: Segment): boolean;
  /**
   * Returns the oldest descriptor that the peer has passed and that was not taken; -1 if none has come. The
   * caller owns it. Throws EMFILE in place of a descriptor for which this process had no room.
   */
  takeDescriptor(): number;
  /** Reads what has come over the socket, for a thread that does not come to its event loop: `stats` then knows the end. */
  look(): void;
  /** Rings the bell: the peer's event loop looks at all lanes. */
  ring(): void;
  /** After `Layout.end.failed`: throws the error of the system call on the socket that the kernel refuses this side. */
  throwFailure(): void;
  /**
   * Returns an ArrayBuffer over the cells of both sides, the listener's first; undefined where the runtime forbids such buffers. It keeps
   * the region mapped until `dropView` detaches it. Called once, before `close`.
   */
  cells(): ArrayBuffer | undefined;
  /** Like `cells`, but over the whole region, in which the cells and the rings of all lanes lie: `Layout.region`. */
  memory(): ArrayBuffer | undefined;
  /** Detaches the ArrayBuffer that `cells` or `memory` has returned. */
  dropView(view: ArrayBuffer): void;
  /** Ends the connection because the peer broke the protocol. `onEnd` comes from the event loop. */
  fail(): void;
}

import type { Layout } from "./layout.js";

export type { Layout } from "./layout.js";

/** A process as the kernel names it. */
export interface Credentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * The addon, as native/addon.cc and native/js/ export it. Failed system calls throw an Error with `code` (such as `ENOENT`),
 * `errno` (negative, as Node has it), `syscall` and, where there is one, `path`.
 */
export interface Binding {
  /** A listening Unix socket, non-blocking; its file has the permission bits `mode` before anyone can connect. Returns the descriptor. */
  socketListen(path: string, mode: number, backlog: number): number;
  /** Accepts one connection, non-blocking; -1 if none waits. */
  socketAccept(descriptor: number): number;
  /** Connects, non-blocking; throws ENOENT, ECONNREFUSED, EACCES, EAGAIN (the listener's backlog is full). */
  socketConnect(path: string): number;
  /** The process at the other end when it connected or listened, as the kernel tells. */
  socketCredentials(descriptor: number): Credentials;
  /** Writes from `offset`, passing `passed` along unless it is -1. Returns the bytes written, -1 if the kernel takes none now. Throws EPIPE, ECONNRESET. */
  socketSend(descriptor: number, bytes: Uint8Array, offset: number, passed: number): number;
  /** Reads into `into`. Returns the bytes read, 0 at the end, -1 if there are none now. */
  socketReceive(descriptor: number, into: Uint8Array): number;
  /** The descriptor that came with the last `socketReceive` on any socket of this thread, once; -1 if none. The next `socketReceive` closes a descriptor that was not taken. */
  socketTakeDescriptor(): number;
  /** Blocks until readable (writable, if `writable`) or hung up, at most `timeout` ms (-1: no limit). */
  socketWait(descriptor: number, writable: boolean, timeout: number): boolean;
  closeDescriptor(descriptor: number): void;
  /** Opens (or makes, 0600) the file and locks it for as long as the descriptor is open; -1 if another holds the lock. The kernel frees it with the process. */
  lockFile(path: string): number;
  /** When a process started, in a unit of the platform's own, or 0 if there is no such process. Together with the pid it names a process for good. */
  processStart(pid: number): number;
  /** Calls `callback(readable, writable)` from the event loop of this thread whenever it is so (level-triggered). */
  watch(descriptor: number, callback: (readable: boolean, writable: boolean) => void): Watcher;

  /** Makes a region for the lanes with a random nonce in it. `name` is "" for a sealed one (memfd, Linux only), else such as `/ringbell-…`. Throws ENOSPC, ENOMEM, EMFILE. */
  regionCreate(capacities: readonly number[], name: string): Region;
  /** Maps the region that the peer made: by name, or (name "") by descriptor, which is consumed also on failure. Throws EINVAL where size, seals or header are not as agreed. */
  regionOpen(capacities: readonly number[], name: string, descriptor: number): Region;
  /** Removes the name of a region; no error if it has gone. */
  regionUnlink(name: string): void;

  /**
   * Makes memory for blocks: `bytes` (a multiple of the page size), all of it allocated. `name` "" for a sealed one (memfd, Linux
   * only), else such as `/ringbell-…`, which is gone when this returns. Throws ENOSPC, ENOMEM, EMFILE.
   */
  segmentCreate(bytes: number, name: string): Segment;
  /** The same on another thread: the kernel clears the memory, and a gigabyte takes it tenths of a second. */
  segmentCreateSoon(bytes: number, name: string): Promise<Segment>;
  /**
   * Maps a segment that the peer made; the descriptor is consumed also on failure. Throws EINVAL for a file that is too short, that can
   * be resized though it is not `resizable` by agreement, or that can still be written to though it is said to be `immutable`.
   */
  segmentOpen(descriptor: number, bytes: number, resizable: boolean, immutable: boolean): Segment;
  /** Detaches an ArrayBuffer: its length, and that of its views, is 0 from then on. */
  detach(buffer: ArrayBuffer): void;
  /** Has glibc keep up to 64 MiB of freed memory for what is allocated next. For the process; only the first call does something. */
  keepFreedMemory(): void;
  /** Asks the kernel for huge pages, where it gives them to programs that ask: all of the bytes are about to be written. */
  adviseHugePages(bytes: Uint8Array): void;

  /**
   * Takes over the socket and the region and makes the lanes. `listener`: whether this side made the region. `pending`: bytes that the
   * handshake read too far; `passed`: the descriptor that came with them, which is consumed, or -1.
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
  /** The version of the shared memory's layout (native/layout.h), which two peers compare when they connect. */
  readonly abiVersion: number;
  /** The version of this interface (native/js/numbers.h). An addon of another one is refused when it is loaded. */
  readonly interfaceVersion: number;
  /** Every number that both languages must know; deeply frozen. */
  readonly layout: Layout;
  /** Whether ArrayBuffers can look at shared memory. Electron forbids it, so it has no blocks. */
  readonly externalBuffers: boolean;
}

export interface Watcher {
  /** Which events are wanted; both false stops. */
  set(readable: boolean, writable: boolean): void;
  ref(): void;
  unref(): void;
  /** Stops for good; the descriptor stays open. Idempotent. */
  close(): void;
}

export interface Region {
  /** 32 hex digits that stand in the region: a peer that can read them sees the same memory. */
  readonly nonce: string;
  readonly bytes: number;
  /** The descriptor to pass to the peer; -1 for a region that has a name, and after `closeDescriptor`. */
  readonly descriptor: number;
  closeDescriptor(): void;
  /** Unmaps, unless a connection uses it. */
  close(): void;
}

/** Memory for blocks. It stays mapped until it was closed and each view of it is detached or collected. */
export interface Segment {
  readonly bytes: number;
  /** A new ArrayBuffer over `length` bytes at `offset`. */
  view(offset: number, length: number): ArrayBuffer;
  /** Seals the segment against writing: bytes that are written to its views from now on are seen by nobody else. Throws EBUSY while somebody else has mapped it. */
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
  /** why: one of `Layout.end`, but `none`. */
  onEnd(why: number): void;
}

export interface NativeLane {
  /** Words by which JavaScript and the addon pass numbers without arguments: `Layout.control`. */
  readonly control: ArrayBuffer;
  readonly outbox: ArrayBuffer;
  readonly inbox: ArrayBuffer;
  growOutbox(bytes: number): ArrayBuffer;
  growInbox(bytes: number): ArrayBuffer;
  send(): void;
  sendBatch(): void;
  sendWait(): void;
  drain(): void;
  /** As `drain`, after polling for about a microsecond for an answer. Does nothing where nothing was sent since the last time, or where the lane does not poll (spin 0, or polling did not pay). */
  drainMore(): void;
  drainWait(): void;
  /** To be called when the control word `demand` becomes `Layout.demand.records` while `watching` is 0. */
  watch(): void;
  wantRoom(): void;
  wantTaken(): void;
  /** Writes the counters of `Layout.laneStats`. Does nothing where `into` is too short. */
  stats(into: Float64Array): void;
}

export interface NativeConnection {
  readonly lanes: readonly NativeLane[];
  /** why: one of `Layout.close`. */
  close(why: number): void;
  ref(): void;
  unref(): void;
  /** Writes the counters of `Layout.connectionStats`, of which `end` is one of `Layout.end`. Does nothing where `into` is too short. */
  stats(into: Float64Array): void;
  /**
   * Passes the segment's descriptor to the peer. False where the socket is full, because the peer has not read it for long: `onRoom`
   * comes for the last lane when the socket takes more. False also where the kernel has too many descriptors on their way; nobody tells
   * when they have arrived. Throws EPIPE or ECONNRESET where the peer has gone.
   */
  pass(segment: Segment): boolean;
  /** The oldest descriptor that the peer has passed and that was not taken; the caller owns it. -1: none has come. Throws EMFILE in place of one that this process had no room for. */
  takeDescriptor(): number;
  /** Has the peer's event loop look at all lanes. */
  ring(): void;
  /** The peer broke the protocol: ends the connection, and tells `onEnd` from the event loop. */
  fail(): void;
}

import { Socket } from "node:net";
import { setImmediate } from "../../clock.js";
import type { Binding, Credentials, Watcher } from "../../native/binding.js";
import { hasTime } from "../loop-turn.js";
import { WireBase } from "./base.js";
import type { Wire } from "./wire.js";

/** The bytes of the buffer that all wires of this thread read into. */
const READ_BYTES = 64 * 1024;
/** The most reads of one wire in one turn of the event loop: a peer that floods must not starve the others. */
const READS_A_TURN = 4;
/** The least room of a piece in the queue, so that small writes share one. */
const PIECE_BYTES = 16 * 1024;

/**
 * One buffer for each depth. The depth is above 0 while a handler that was called with a chunk polls a wire:
 * the chunk that it holds must not be overwritten.
 */
const readBuffers: Uint8Array[] = [];
let readDepth = 0;

/** Bytes that the kernel has not taken yet. */
interface Piece {
  readonly bytes: Uint8Array;
  /** The bytes to be written lie in [start, end). */
  start: number;
  end: number;
  /** The descriptor that goes with the first byte, or -1. */
  passed: number;
}

/** Connects to the socket at `path` at once. Throws the system error (ENOENT, ECONNREFUSED, EACCES, EAGAIN, …). */
export function connectNative(binding: Binding, path: string): Wire {
  return wrapNative(binding, binding.socketConnect(path));
}

/** Makes a wire of a connected, non-blocking socket, which belongs to the wire from then on. The socket is closed if this throws. */
export function wrapNative(binding: Binding, descriptor: number): Wire {
  try {
    return new NativeWire(binding, descriptor, binding.socketCredentials(descriptor));
  } catch (error) {
    binding.closeDescriptor(descriptor);
    throw error;
  }
}

class NativeWire extends WireBase implements Wire {
  readonly native = true;
  readonly credentials: Credentials;
  readonly #binding: Binding;
  readonly #watcher: Watcher;
  readonly #descriptor: number;
  #watchesReadable = false;
  #watchesWritable = false;
  /** Whether the descriptor is no longer ours. */
  #gone = false;
  readonly #queue: Piece[] = [];
  #buffered = 0;
  /** The error of a write that failed. Data that have arrived are still read; then this is the end. */
  #writeError: Error | undefined;
  #received = -1;
  #ending: Promise<void> | undefined;
  #resolveEnding: (() => void) | undefined;
  /** Whether the peer's end came while this side was ending. */
  #hungUp = false;

  constructor(binding: Binding, descriptor: number, credentials: Credentials) {
    super();
    this.#binding = binding;
    this.#descriptor = descriptor;
    this.credentials = credentials;
    this.#watcher = binding.watch(descriptor, (readable, writable) => {
      if (writable) this.#flush();
      if (readable) this.#read();
    });
  }

  get buffered(): number {
    return this.#buffered;
  }

  write(bytes: Uint8Array, descriptor = -1): void {
    if (this.#gone || this.#ending !== undefined || this.#writeError !== undefined || bytes.length === 0)
      return;
    let taken = 0;
    if (this.#buffered === 0) {
      taken = this.#send(bytes, 0, descriptor);
      if (taken < 0 || taken === bytes.length) return;
    }
    this.#enqueue(bytes, taken, taken > 0 ? -1 : descriptor);
    this.#watch();
  }

  takeDescriptor(): number | undefined {
    const descriptor = this.#received;
    this.#received = -1;
    return descriptor === -1 ? undefined : descriptor;
  }

  poll(): void {
    if (this.deliverBack()) return;
    this.#flush();
    this.#read();
  }

  detach(): number {
    if (this.#gone) return -1;
    this.#leave();
    this.finishSilently();
    return this.#descriptor;
  }

  toSocket(): Socket {
    return new Socket({ fd: this.detach(), readable: true, writable: true, allowHalfOpen: true });
  }

  ref(): void {
    if (!this.#gone) this.#watcher.ref();
  }

  unref(): void {
    if (!this.#gone) this.#watcher.unref();
  }

  end(): Promise<void> {
    if (this.#ending !== undefined) return this.#ending;
    this.silence();
    if (this.#buffered === 0) {
      this.destroy();
      return Promise.resolve();
    }
    this.#ending = new Promise((resolve) => {
      this.#resolveEnding = resolve;
    });
    // Data that arrive from here on are read and thrown away: two sides that both end must not wait for each
    // other.
    this.#watch();
    return this.#ending;
  }

  destroy(): void {
    this.finishSilently();
    this.#close();
  }

  protected override readingChanged(): void {
    this.#watch();
    // A peer that takes nothing but has not hung up causes no event, so the wire reads now.
    if (this.#writeError !== undefined && this.reading) this.#readSoon();
  }

  #watch(): void {
    if (this.#gone) return;
    const readable = this.reading || (this.#ending !== undefined && !this.#hungUp);
    const writable = this.#buffered > 0;
    if (readable === this.#watchesReadable && writable === this.#watchesWritable) return;
    this.#watchesReadable = readable;
    this.#watchesWritable = writable;
    this.#watcher.set(readable, writable);
  }

  /** Reads the data that are there, within limits. */
  #read(): void {
    for (let reads = 0; reads < READS_A_TURN; reads++) {
      if (this.#gone || !(this.reading || (this.#ending !== undefined && !this.#hungUp))) return;
      let buffer = readBuffers[readDepth];
      if (buffer === undefined) {
        buffer = new Uint8Array(READ_BYTES);
        readBuffers[readDepth] = buffer;
      }
      let bytes: number;
      try {
        bytes = this.#binding.socketReceive(this.#descriptor, buffer);
        this.#keepDescriptor(bytes > 0 ? this.#binding.socketTakeDescriptor() : -1);
      } catch (error) {
        this.#fail(error as Error);
        return;
      }
      if (bytes === 0) {
        this.#endOfFile();
        return;
      }
      if (bytes < 0) {
        if (this.#writeError !== undefined) this.#fail(this.#writeError);
        return;
      }
      readDepth++;
      this.deliver(bytes === buffer.length ? buffer : buffer.subarray(0, bytes));
      readDepth--;
      // A short read most likely took all. If not, the loop calls again, as it does in the next turn when
      // this one is over.
      if (this.#writeError === undefined && (bytes < buffer.length || !hasTime())) return;
    }
  }

  #readSoon(): void {
    setImmediate(() => this.#read());
  }

  #keepDescriptor(descriptor: number): void {
    if (this.#received !== -1) this.#binding.closeDescriptor(this.#received);
    this.#received = descriptor;
  }

  #endOfFile(): void {
    if (this.#ending !== undefined) {
      this.#hungUp = true;
      this.#watch();
      return;
    }
    this.#close();
    this.finish(undefined);
  }

  #fail(error: Error): void {
    this.#close();
    this.finish(error);
  }

  #enqueue(bytes: Uint8Array, from: number, passed: number): void {
    const length = bytes.length - from;
    const last = this.#queue.at(-1);
    this.#buffered += length;
    if (last !== undefined && passed === -1 && last.bytes.length - last.end >= length) {
      last.bytes.set(bytes.subarray(from), last.end);
      last.end += length;
      return;
    }
    const piece = new Uint8Array(Math.max(length, PIECE_BYTES));
    piece.set(bytes.subarray(from));
    this.#queue.push({ bytes: piece, start: 0, end: length, passed });
  }

  #flush(): void {
    if (this.#buffered === 0 || this.#gone) return;
    for (let piece = this.#queue[0]; piece !== undefined; piece = this.#queue[0]) {
      const taken = this.#send(piece.bytes.subarray(0, piece.end), piece.start, piece.passed);
      if (taken < 0) return;
      if (taken === 0) break;
      piece.passed = -1;
      piece.start += taken;
      this.#buffered -= taken;
      if (piece.start < piece.end) break;
      this.#queue.shift();
    }
    this.#watch();
    if (this.#buffered > 0) return;
    if (this.#ending !== undefined) this.destroy();
    else this.drained();
  }

  /** Writes bytes. Returns how many the kernel took (0: none now), or -1 if writing has failed for good. */
  #send(bytes: Uint8Array, offset: number, passed: number): number {
    try {
      return Math.max(0, this.#binding.socketSend(this.#descriptor, bytes, offset, passed));
    } catch (error) {
      this.#writeError = error as Error;
      this.#queue.length = 0;
      this.#buffered = 0;
      if (this.#ending !== undefined) {
        this.destroy();
        return -1;
      }
      this.#watch();
      // The peer may have closed in order. Its last data are read first, and never within a write.
      this.#readSoon();
      return -1;
    }
  }

  /** Stops watching; the descriptor stays open. */
  #leave(): void {
    this.#gone = true;
    this.#watcher.close();
    this.#queue.length = 0;
    this.#buffered = 0;
    this.#keepDescriptor(-1);
    this.#resolveEnding?.();
  }

  #close(): void {
    if (this.#gone) return;
    this.#leave();
    this.#binding.closeDescriptor(this.#descriptor);
  }
}

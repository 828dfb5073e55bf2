import { type Codec, NO_ROOM } from "../codec/codec.js";
import {
  ClosedError,
  EncodeError,
  InvalidArgumentError,
  MessageTooLargeError,
  type RingbellError,
} from "../errors.js";
import { ENDED, FULL, RECORD_HEADER, recordBytes, SENT, type TransportLane } from "../transport/contract.js";
import { abortable } from "./abort.js";

/** Records gathered before a batch is published: the receiver works on one part while the next is being encoded. */
const BATCH_BYTES = 32 * 1024;

/** What `send` returns for a message that found room: always the same promise, resolved, so that nothing is allocated. */
export const ON_ITS_WAY: Promise<void> = Promise.resolve();

/** A message that waits for room, encoded. */
interface Waiting {
  readonly bytes: Uint8Array;
  sent(): void;
  failed(error: unknown): void;
}

/** A flush that waits for the peer. */
interface Flush {
  done(): void;
  failed(error: unknown): void;
}

/** What the sending half tells its lane, and asks it. */
export interface SenderEvents {
  /** There is room again, after a send had found none. */
  drain(): void;
  /** Why the transport sends no more, when nobody has been told yet. */
  whyEnded(): RingbellError | undefined;
}

/** The sending half of a lane. */
export class Sender<Send> {
  readonly #lane: TransportLane;
  readonly #codec: Codec<Send, unknown>;
  /** The longest message in bytes. */
  readonly #limit: number;
  readonly #events: SenderEvents;
  /** Sends that wait for room, the oldest first. As long as there are any, nothing overtakes them. */
  readonly #queue: Waiting[] = [];
  #flushes: Flush[] = [];
  /** Flushes that came while the peer was asked for earlier ones. */
  #laterFlushes: Flush[] = [];
  #idle: (() => void)[] = [];
  #roomWanted = false;
  #drainDue = false;
  /** Why nothing is accepted any more. */
  #error: RingbellError | undefined;
  #ended = false;

  constructor(lane: TransportLane, codec: Codec<Send, unknown>, limit: number, events: SenderEvents) {
    this.#lane = lane;
    this.#codec = codec;
    this.#limit = Math.min(limit, lane.maxBytes);
    this.#events = events;
  }

  /** Sends that wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  trySend(message: Send): boolean {
    if (this.#error !== undefined) throw this.#error;
    if (this.#queue.length > 0) return this.#full();
    const status = this.#lane.send(this.#encode(message));
    if (status === SENT) return true;
    return status === FULL ? this.#full() : this.#refuse(status);
  }

  send(message: Send, signal: AbortSignal | undefined): Promise<void> {
    try {
      signal?.throwIfAborted();
      if (this.#error !== undefined) return rejected(this.#error);
      const bytes = this.#encode(message);
      if (this.#queue.length === 0) {
        const status = this.#lane.send(bytes);
        if (status === SENT) return ON_ITS_WAY;
        if (status === ENDED) return rejected(this.#whyEnded());
        if (status !== FULL) this.#refuse(status);
      }
      return this.#enqueue(bytes, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  sendSync(message: Send, timeout: number): boolean {
    if (this.#error !== undefined) throw this.#error;
    if (this.#queue.length > 0 && !this.#sendQueueSync(timeout)) return false;
    // Not `send` first: the stream may gather what is sent so, and the caller may not come back to the event loop for long.
    const status = this.#lane.sendWait(this.#encode(message), timeout);
    if (status === SENT) return true;
    return status === FULL ? false : this.#refuse(status);
  }

  /** Sends as many as there is room for, from `from` on; returns the index of the first that was not sent. */
  trySendMany(messages: readonly Send[], from: number): number {
    if (this.#error !== undefined) throw this.#error;
    if (this.#queue.length > 0 && from < messages.length) {
      this.#full();
      return from;
    }
    let next = from;
    while (next < messages.length) {
      const packed = this.#pack(messages, next);
      const sent = this.#lane.sendBatch(packed);
      next += sent;
      if (sent < packed) {
        this.#full();
        break;
      }
    }
    return next;
  }

  async sendMany(messages: Iterable<Send>, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    for (const part of parts(messages)) {
      let next = 0;
      while (next < part.length) {
        next = this.trySendMany(part, next);
        if (next === part.length) break;
        // One by the queue: it waits for room, keeps the order, and knows of aborts and ends.
        await this.send(part[next]!, signal);
        next++;
      }
    }
  }

  sendManySync(messages: Iterable<Send>, timeout: number): number {
    const until = performance.now() + timeout;
    let count = 0;
    for (const part of parts(messages)) {
      let next = 0;
      while (next < part.length) {
        const sent = this.trySendMany(part, next);
        count += sent - next;
        next = sent;
        if (next === part.length) break;
        if (!this.sendSync(part[next]!, Math.max(0, until - performance.now()))) return count;
        next++;
        count++;
      }
    }
    return count;
  }

  /** Resolves when the peer has taken all that was sent before, waiting sends included. */
  async flush(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    await this.idle(signal);
    if (this.#error !== undefined) throw this.#error;
    return abortable<void>(signal, (resolve, reject) => {
      const flush: Flush = { done: resolve, failed: reject };
      if (this.#flushes.length > 0) {
        this.#laterFlushes.push(flush);
      } else {
        this.#flushes.push(flush);
        this.#lane.wantTaken();
      }
      return () => {
        this.#flushes = this.#flushes.filter((other) => other !== flush);
        this.#laterFlushes = this.#laterFlushes.filter((other) => other !== flush);
      };
    });
  }

  /** Resolves when no send waits any more, because all went out or failed. */
  idle(signal?: AbortSignal): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return abortable<void>(signal, (resolve) => {
      this.#idle.push(resolve);
      return () => {
        this.#idle = this.#idle.filter((other) => other !== resolve);
      };
    });
  }

  /** The transport: there is room. */
  onRoom(): void {
    this.#roomWanted = false;
    this.#sendQueue();
    if (this.#queue.length > 0 || !this.#drainDue || this.#error !== undefined) return;
    this.#drainDue = false;
    this.#events.drain();
  }

  /** The transport: the peer has taken everything that was sent before it was asked. */
  onTaken(): void {
    const flushes = this.#flushes;
    this.#flushes = this.#laterFlushes;
    this.#laterFlushes = [];
    if (this.#flushes.length > 0) this.#lane.wantTaken();
    for (const flush of flushes) flush.done();
  }

  /** Nothing more is accepted: calls throw the error. What waits already still goes out. */
  stop(error: RingbellError): void {
    this.#error ??= error;
  }

  /** Nothing is sent from now on: what waits fails with the error, and later calls throw it. */
  end(error: RingbellError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    for (const waiting of this.#queue.splice(0)) waiting.failed(error);
    for (const flush of [...this.#flushes, ...this.#laterFlushes]) flush.failed(error);
    this.#flushes = [];
    this.#laterFlushes = [];
    this.#settleIdle();
  }

  /** Encodes into the outbox, and returns the length in bytes. */
  #encode(message: Send): number {
    const bytes = this.#codec.encode(message, this.#lane.outbox, RECORD_HEADER);
    // Also where a codec returns what is no length.
    return bytes >= 0 && bytes <= this.#limit ? bytes : this.#encodeLong(message, bytes);
  }

  /** The message did not fit the outbox: makes it longer until it does, or the limit is reached. */
  #encodeLong(message: Send, first: number): number {
    const most = recordBytes(this.#lane.maxBytes);
    let bytes = first;
    while (bytes === NO_ROOM) {
      const length = this.#lane.outbox.length;
      if (length >= most) throw new MessageTooLargeError(this.#limit, undefined);
      this.#lane.growOutbox(Math.min(most, length * 2));
      bytes = this.#codec.encode(message, this.#lane.outbox, RECORD_HEADER);
    }
    if (bytes > this.#limit) throw new MessageTooLargeError(this.#limit, bytes);
    if (!(bytes >= 0))
      throw new EncodeError(`the codec ${this.#codec.name} returned ${bytes} for a length`, "");
    return bytes;
  }

  /** Encodes messages from `from` on side by side into the outbox; returns how many, at least one. */
  #pack(messages: readonly Send[], from: number): number {
    const lane = this.#lane;
    const codec = this.#codec;
    const limit = this.#limit;
    const outbox = lane.outbox;
    const end = Math.min(outbox.length, BATCH_BYTES) - RECORD_HEADER;
    let offset = 0;
    let next = from;
    while (next < messages.length && offset < end) {
      let bytes: number;
      try {
        bytes = codec.encode(messages[next]!, outbox, offset + RECORD_HEADER);
      } catch (error) {
        // What stands before the bad one goes out first; then it is met again, as the first.
        if (next > from) break;
        throw error;
      }
      if (!(bytes >= 0 && bytes <= limit)) {
        if (next > from) break;
        bytes = this.#encodeLong(messages[next]!, bytes);
      }
      // Also after the outbox was replaced: then this is the first record.
      outbox.words[offset >> 2] = bytes;
      offset += recordBytes(bytes);
      next++;
    }
    return next - from;
  }

  #enqueue(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const copy = this.#lane.outbox.buffer.slice(RECORD_HEADER, RECORD_HEADER + bytes) as Uint8Array;
    const sending = abortable<void>(signal, (resolve, reject) => {
      const waiting: Waiting = { bytes: Buffer.from(copy), sent: resolve, failed: reject };
      this.#queue.push(waiting);
      this.#wantRoom();
      return () => {
        const index = this.#queue.indexOf(waiting);
        if (index >= 0) this.#queue.splice(index, 1);
        if (this.#queue.length === 0) this.#settleIdle();
      };
    });
    // As in `rejected`: what can fail here is the end, or an abort, which the caller made.
    sending.catch(() => {});
    return sending;
  }

  #load(waiting: Waiting): number {
    const { bytes } = waiting;
    const needed = recordBytes(bytes.length);
    if (this.#lane.outbox.length < needed) this.#lane.growOutbox(needed);
    this.#lane.outbox.buffer.set(bytes, RECORD_HEADER);
    return bytes.length;
  }

  #sendQueue(): void {
    let sent = 0;
    while (sent < this.#queue.length) {
      const status = this.#lane.send(this.#load(this.#queue[sent]!));
      if (status === ENDED) break;
      if (status !== SENT) {
        this.#wantRoom();
        break;
      }
      sent++;
    }
    for (const waiting of this.#queue.splice(0, sent)) waiting.sent();
    if (this.#queue.length === 0) this.#settleIdle();
  }

  #sendQueueSync(timeout: number): boolean {
    const until = performance.now() + timeout;
    while (this.#queue.length > 0) {
      const left = Math.max(0, until - performance.now());
      const status = this.#lane.sendWait(this.#load(this.#queue[0]!), left);
      if (status === FULL) return false;
      if (status !== SENT) this.#refuse(status);
      this.#queue.shift()!.sent();
    }
    this.#settleIdle();
    return true;
  }

  #settleIdle(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #full(): false {
    this.#drainDue = true;
    this.#wantRoom();
    return false;
  }

  #wantRoom(): void {
    if (this.#roomWanted) return;
    this.#roomWanted = true;
    this.#lane.wantRoom();
  }

  /** The transport sends no more, and the channel has not been told yet why: it will be, in this turn of the loop or the next. */
  #refuse(status: number): never {
    if (status !== ENDED) throw new MessageTooLargeError(this.#limit, undefined);
    throw this.#whyEnded();
  }

  #whyEnded(): RingbellError {
    return this.#error ?? this.#events.whyEnded() ?? new ClosedError("the channel has ended");
  }
}

/**
 * Rejected because the channel has ended. Who awaits the promise gets the error; for who does not, it is no unhandled rejection: the
 * channel itself says that it has ended, and a peer that goes must not bring down a process that answers it.
 */
function rejected(error: RingbellError): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(() => {});
  return promise;
}

const PART = 4096;

/** An array as it is; what can only be iterated, in arrays. */
function* parts<T>(messages: Iterable<T>): Generator<readonly T[]> {
  if (Array.isArray(messages)) {
    yield messages as readonly T[];
    return;
  }
  if (typeof messages?.[Symbol.iterator] !== "function") {
    throw new InvalidArgumentError("messages", "an array or another iterable", messages);
  }
  let part: T[] = [];
  for (const message of messages) {
    part.push(message);
    if (part.length === PART) {
      yield part;
      part = [];
    }
  }
  if (part.length > 0) yield part;
}

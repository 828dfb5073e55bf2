import { type Block, moveBack, moveOut } from "../bulk/block.js";
import { type Codec, emptyList } from "../codec/codec.js";
import { ClosedError, MessageTooLargeError, type RingbellError } from "../errors.js";
import {
  ENDED,
  FULL,
  NO_MEMORY,
  SENT,
  type SendStatus,
  type TransportBulk,
  type TransportLane,
} from "../transport/contract.js";
import { tabledBytes } from "../transport/records/handle-table.js";
import { RECORD_HEADER, recordBytes, WITH_BLOCKS } from "../transport/records/record-layout.js";
import { abortable } from "./abort.js";
import { Flushes } from "./flushes.js";
import { LongMessages, NOWHERE } from "./long-messages.js";
import { parts } from "./parts.js";

/** Records gathered before a batch is published: the receiver works on one part while the next is being encoded. */
const BATCH_BYTES = 32 * 1024;

/** What `send` returns for a message that found room: always the same promise, resolved, so that nothing is allocated. */
export const ON_ITS_WAY: Promise<void> = Promise.resolve();

/** A message that waits for room, encoded. */
interface Waiting {
  /** Private, until there is a block for it where it needs one. */
  bytes: Uint8Array | undefined;
  /** The block that it was encoded into. */
  body: Block | undefined;
  /** Its bytes, in the block or not. */
  readonly length: number;
  /** The blocks that it carries, moved out of those of the program, which get them back if it is not sent. */
  readonly blocks: readonly Block[];
  readonly originals: readonly Block[];
  sent(): void;
  failed(error: unknown): void;
}

/** How long messages may be, in bytes as encoded. */
export interface MessageLimits {
  readonly maxMessageBytes: number;
  /** What is longer goes by a block. */
  readonly bulkThreshold: number;
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
  readonly #bulk: TransportBulk;
  readonly #long: LongMessages<Send>;
  readonly #flushes: Flushes;
  /** The longest message in bytes. */
  readonly #limit: number;
  /** The longest that goes by the ring. */
  readonly #inRing: number;
  readonly #events: SenderEvents;
  /** Sends that wait for room, the oldest first. As long as there are any, nothing overtakes them. */
  readonly #queue: Waiting[] = [];
  #idle: (() => void)[] = [];
  #roomWanted = false;
  #drainDue = false;
  /** Why nothing is accepted any more. */
  #error: RingbellError | undefined;
  #ended = false;

  constructor(
    lane: TransportLane,
    bulk: TransportBulk,
    codec: Codec<Send, unknown>,
    { maxMessageBytes, bulkThreshold }: MessageLimits,
    events: SenderEvents,
  ) {
    this.#lane = lane;
    this.#bulk = bulk;
    this.#codec = codec;
    this.#limit = Math.min(maxMessageBytes, Math.max(bulk.limit, lane.maxBytes));
    // Where there is little memory for blocks, or none, they are for what the ring can't carry.
    const threshold = bulk.limit < lane.maxBytes ? lane.maxBytes : bulkThreshold;
    this.#inRing = Math.min(this.#limit, lane.maxBytes, threshold);
    this.#long = new LongMessages(lane, bulk, codec, this.#limit, this.#inRing);
    this.#flushes = new Flushes(lane);
    this.#events = events;
  }

  /** The longest message that can be sent, in bytes as encoded. */
  get limit(): number {
    return this.#limit;
  }

  /** Sends that wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  trySend(message: Send): boolean {
    if (this.#error !== undefined) throw this.#error;
    if (this.#queue.length > 0) return this.#full();
    const bytes = this.#encode(message);
    const status = this.#isPlain(bytes) ? this.#lane.send(bytes) : this.#long.send(bytes, 0);
    if (status === SENT) return true;
    this.#long.drop();
    return status === FULL || status === NO_MEMORY ? this.#full(status) : this.#refuse(status);
  }

  send(message: Send, signal: AbortSignal | undefined): Promise<void> {
    try {
      signal?.throwIfAborted();
      if (this.#error !== undefined) return rejected(this.#error);
      const bytes = this.#encode(message, true);
      let status: SendStatus = FULL;
      if (this.#queue.length === 0) {
        status = this.#isPlain(bytes) ? this.#lane.send(bytes) : this.#long.send(bytes, 0);
        if (status === SENT) return ON_ITS_WAY;
        if (status === ENDED) {
          this.#long.drop();
          return rejected(this.#whyEnded());
        }
        if (status !== FULL && status !== NO_MEMORY) this.#refuse(status);
      }
      return this.#enqueue(bytes, message, status, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  sendSync(message: Send, timeout: number): boolean {
    if (this.#error !== undefined) throw this.#error;
    if (this.#queue.length > 0 && !this.#sendQueueSync(timeout)) return false;
    let left = timeout;
    let until = 0;
    for (;;) {
      // Not `send` first: the stream may gather what is sent so, and the caller may not come back to the event loop for long.
      const bytes = this.#encode(message);
      const status = this.#isPlain(bytes) ? this.#lane.sendWait(bytes, left) : this.#long.send(bytes, left);
      if (status === SENT) return true;
      this.#long.drop();
      if (status !== FULL && status !== NO_MEMORY) this.#refuse(status);
      if (status === FULL || left <= 0) return false;
      until ||= performance.now() + timeout;
      this.#waitMemory(left);
      left = Math.max(0, until - performance.now());
    }
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
      if (packed === 0) {
        // With blocks, or longer than the outbox: by itself.
        if (!this.trySend(messages[next]!)) break;
        next++;
        continue;
      }
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
    return this.#flushes.add(signal);
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

  /** The transport: there may be memory for blocks. */
  onMemory(): void {
    if (this.#queue.length > 0 || this.#drainDue) this.onRoom();
  }

  /** The transport: the peer has taken everything that was sent before it was asked. */
  onTaken(): void {
    this.#flushes.onTaken();
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
    for (const waiting of this.#queue.splice(0)) this.#fail(waiting, error);
    this.#flushes.fail(error);
    this.#settleIdle();
  }

  /**
   * Encodes into the outbox, and returns the length in bytes; or into a block (IN_BODY), or NOWHERE. `waits`: it is worth a block also if
   * it can't be sent now.
   */
  #encode(message: Send, waits = false): number {
    const { outbox } = this.#lane;
    // Those of a message that did not go out.
    if (outbox.blocks.length > 0) emptyList(outbox.blocks);
    const bytes = this.#codec.encode(message, outbox, RECORD_HEADER);
    // Also where a codec returns what is no length.
    return bytes >= 0 && bytes <= this.#inRing ? bytes : this.#long.encode(message, bytes, waits);
  }

  /** Whether what `#encode` made is a message and nothing else, in the outbox. */
  #isPlain(bytes: number): boolean {
    return bytes >= 0 && this.#lane.outbox.blocks.length === 0;
  }

  /** Encodes messages from `from` on side by side into the outbox; returns how many: none, where the first is not to be sent so. */
  #pack(messages: readonly Send[], from: number): number {
    const lane = this.#lane;
    const codec = this.#codec;
    const limit = this.#inRing;
    const outbox = lane.outbox;
    if (outbox.blocks.length > 0) emptyList(outbox.blocks);
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
      if (!(bytes >= 0 && bytes <= limit) || outbox.blocks.length > 0) break;
      outbox.words[offset >> 2] = bytes;
      offset += recordBytes(bytes);
      next++;
    }
    return next - from;
  }

  /** `status`: why it was not sent at once. */
  #enqueue(bytes: number, message: Send, status: SendStatus, signal: AbortSignal | undefined): Promise<void> {
    const inBlock = this.#long.take();
    let payload: Uint8Array | undefined;
    let length: number;
    let originals: readonly Block[];
    if (inBlock !== undefined) {
      ({ length, blocks: originals } = inBlock);
    } else {
      const { outbox } = this.#lane;
      const scratch = bytes === NOWHERE ? this.#long.encodePrivately(message) : outbox;
      const start = bytes === NOWHERE ? 0 : RECORD_HEADER;
      length = bytes === NOWHERE ? scratch.length : bytes;
      payload = Uint8Array.prototype.slice.call(scratch.buffer, start, start + length);
      originals = [...scratch.blocks] as Block[];
    }
    emptyList(this.#lane.outbox.blocks);
    const blocks = originals.map(moveOut);
    const sending = abortable<void>(signal, (resolve, reject) => {
      const waiting: Waiting = {
        bytes: payload,
        body: inBlock?.body,
        length,
        blocks,
        originals,
        sent: resolve,
        failed: reject,
      };
      this.#queue.push(waiting);
      if (this.#queue.length === 1) this.#want(status);
      return () => {
        const index = this.#queue.indexOf(waiting);
        if (index >= 0) this.#fail(this.#queue.splice(index, 1)[0]!, undefined);
        if (this.#queue.length === 0) this.#settleIdle();
      };
    });
    // As in `rejected`: what can fail here is the end, or an abort, which the caller made.
    sending.catch(() => {});
    return sending;
  }

  /** One more attempt at a message that waits. */
  #sendWaiting(waiting: Waiting, timeout: number): SendStatus {
    const { length, blocks } = waiting;
    const lane = this.#lane;
    const inRecord = blocks.length === 0 ? length : tabledBytes(length, blocks.length);
    if (waiting.bytes !== undefined && (length > this.#inRing || inRecord > lane.maxBytes)) {
      const body = this.#bulk.allocate(length);
      if (body === undefined) return NO_MEMORY;
      body.bytes.set(waiting.bytes);
      waiting.body = body;
      waiting.bytes = undefined;
    }
    if (waiting.bytes === undefined) {
      const status = this.#long.sendBody(waiting.body!, length, blocks, timeout);
      if (status === SENT) waiting.body = undefined;
      return status;
    }
    if (lane.outbox.length < recordBytes(length)) lane.growOutbox(recordBytes(length));
    lane.outbox.buffer.set(waiting.bytes, RECORD_HEADER);
    if (blocks.length > 0) return lane.sendBlocks(WITH_BLOCKS, length, blocks, timeout);
    return timeout > 0 ? lane.sendWait(length, timeout) : lane.send(length);
  }

  /** It is not sent: the blocks are the program's again. */
  #fail(waiting: Waiting, error: unknown): void {
    waiting.body?.release();
    for (const [i, block] of waiting.blocks.entries()) moveBack(waiting.originals[i]!, block);
    if (error !== undefined) waiting.failed(error);
  }

  #sendQueue(): void {
    let done = 0;
    while (done < this.#queue.length) {
      const waiting = this.#queue[done]!;
      try {
        const status = this.#sendWaiting(waiting, 0);
        if (status === ENDED) break;
        if (status !== SENT) {
          this.#want(status);
          break;
        }
        waiting.sent();
      } catch (error) {
        this.#fail(waiting, error);
      }
      done++;
    }
    this.#queue.splice(0, done);
    if (this.#queue.length === 0) this.#settleIdle();
  }

  #sendQueueSync(timeout: number): boolean {
    const until = performance.now() + timeout;
    while (this.#queue.length > 0) {
      const left = Math.max(0, until - performance.now());
      const status = this.#sendWaiting(this.#queue[0]!, left);
      if (status === FULL || (status === NO_MEMORY && left <= 0)) return false;
      if (status === NO_MEMORY) {
        this.#waitMemory(left);
        continue;
      }
      if (status !== SENT) this.#refuse(status);
      this.#queue.shift()!.sent();
    }
    this.#settleIdle();
    return true;
  }

  /** Blocks the thread until there may be memory. Throws where the peer is gone, which an encoding that finds no memory does not see. */
  #waitMemory(timeout: number): void {
    this.#bulk.waitMemory(timeout);
    const error = this.#events.whyEnded();
    if (error !== undefined) throw error;
  }

  #settleIdle(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #full(status: SendStatus = FULL): false {
    this.#drainDue = true;
    this.#want(status);
    return false;
  }

  /** Asks for what is missing. */
  #want(status: SendStatus): void {
    if (status === NO_MEMORY) {
      this.#bulk.wantMemory();
      return;
    }
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

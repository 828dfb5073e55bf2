import type { Codec } from "../codec/codec.js";
import type { Ending } from "../ending.js";
import { ClosedError, MessageTooLargeError, type RingbellError } from "../errors.js";
import type { BlockingLane, TransportBulk, TransportLane } from "../transport/contract.js";
import { ENDED, FULL, NO_MEMORY, SENT, type SendStatus } from "../transport/records/send-status.js";
import type { Abort } from "./abort.js";
import { blockingLane } from "./blocking.js";
import { Encoder, type MessageLimits, type Parcel } from "./encoder.js";
import { Flushes } from "./flushes.js";
import { parts } from "./parts.js";
import { WaitingSends } from "./waiting-sends.js";

/** The promise that `send` returns for a message that found room. It is always the same one, so that nothing is allocated. */
export const ON_ITS_WAY: Promise<void> = Promise.resolve();

/** The calls of the sending half to its lane. */
export interface SendingEvents {
  /** Called when there is room again, after a send had found none. */
  drain(): void;
  /** Looks whether the peer has gone; if so, `ending` has the reason afterwards. */
  look(): void;
}

/** The sending half of a lane. */
export class SendingHalf<Send> {
  readonly #lane: TransportLane;
  readonly #bulk: TransportBulk;
  readonly #encoder: Encoder<Send>;
  /** The sends that wait. While any waits, no other overtakes it. */
  readonly #queue: WaitingSends<Send>;
  readonly #flushes: Flushes;
  readonly #ending: Ending;
  readonly #events: SendingEvents;
  #roomWanted = false;
  #drainDue = false;

  constructor(
    lane: TransportLane,
    bulk: TransportBulk,
    codec: Codec<Send, unknown>,
    limits: MessageLimits,
    ending: Ending,
    events: SendingEvents,
  ) {
    this.#lane = lane;
    this.#bulk = bulk;
    this.#encoder = new Encoder(lane, bulk, codec, limits);
    this.#queue = new WaitingSends(lane, this.#encoder, () => this.#advance());
    this.#flushes = new Flushes(lane);
    this.#ending = ending;
    this.#events = events;
  }

  /** The longest message that can be sent, in bytes as encoded. */
  get limit(): number {
    return this.#encoder.limit;
  }

  /** The number of sends that wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  trySend(message: Send): boolean {
    if (this.#ending.error !== undefined) throw this.#ending.error;
    if (this.#queue.length > 0) return this.#full(FULL);
    const encoded = this.#encoder.encode(message, false);
    const status = typeof encoded === "number" ? this.#lane.send(encoded) : this.#sendOrDrop(encoded, 0);
    if (status === SENT) return true;
    return status === FULL || status === NO_MEMORY ? this.#full(status) : this.#refuse(status);
  }

  send(message: Send, abort: Abort | undefined): Promise<void> {
    try {
      abort?.throwIfAborted();
      if (this.#ending.error !== undefined) return rejected(this.#ending.error);
      const encoded = this.#encoder.encode(message, true);
      let status: SendStatus = FULL;
      if (this.#queue.length === 0) {
        status = typeof encoded === "number" ? this.#lane.send(encoded) : this.#sendParcel(encoded);
        if (status === SENT) return ON_ITS_WAY;
        if (status === ENDED) {
          if (typeof encoded === "object") encoded.body?.release();
          return rejected(this.#whyEnded());
        }
        if (status !== FULL && status !== NO_MEMORY) this.#refuse(status);
      }
      const sending = this.#queue.add(message, encoded, abort);
      // A send behind others needs no wish of its own: it is attempted when the others have gone out.
      if (this.#queue.length === 1) this.#want(status);
      // As in `rejected`: it fails only by the end of the channel, or by an abort, which the caller made.
      sending.catch(() => {});
      return sending;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  sendSync(message: Send, timeout: number): boolean {
    const lane = blockingLane(this.#lane);
    if (this.#ending.error !== undefined) throw this.#ending.error;
    if (this.#queue.length > 0 && !this.#sendQueueSync(lane, timeout)) return false;
    let left = timeout;
    let until = 0;
    for (;;) {
      const encoded = this.#encoder.encode(message, false);
      const status =
        typeof encoded === "number" ? lane.sendWait(encoded, left) : this.#sendOrDrop(encoded, left);
      if (status === SENT) return true;
      if (status !== FULL && status !== NO_MEMORY) this.#refuse(status);
      if (status === FULL || left <= 0) return false;
      until ||= performance.now() + timeout;
      this.#waitMemory(lane, left);
      left = Math.max(0, until - performance.now());
    }
  }

  /** Sends messages from index `from` on, as many as there is room for. Returns the index of the first that was not sent. */
  trySendMany(messages: readonly Send[], from: number): number {
    if (this.#ending.error !== undefined) throw this.#ending.error;
    if (this.#queue.length > 0 && from < messages.length) {
      this.#full(FULL);
      return from;
    }
    let next = from;
    while (next < messages.length) {
      const packed = this.#encoder.pack(messages, next);
      if (packed === 0) {
        // A message goes alone if it has blocks or is longer than the place.
        if (!this.trySend(messages[next]!)) break;
        next++;
        continue;
      }
      const sent = this.#lane.sendPacked();
      next += sent;
      if (sent === packed) continue;
      if (sent > 0) {
        this.#full(FULL);
        break;
      }
      // An attempt with one message tells a full lane from one that has ended.
      if (!this.trySend(messages[next]!)) break;
      next++;
    }
    return next;
  }

  async sendMany(messages: Iterable<Send>, abort: Abort | undefined): Promise<void> {
    abort?.throwIfAborted();
    for (const part of parts(messages)) {
      let next = 0;
      while (next < part.length) {
        next = this.trySendMany(part, next);
        if (next === part.length) break;
        // `send` puts one message into the queue, which waits for room, keeps the order, and handles aborts
        // and the end.
        await this.send(part[next]!, abort);
        next++;
      }
    }
  }

  sendManySync(messages: Iterable<Send>, timeout: number): number {
    blockingLane(this.#lane);
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
  async flush(abort: Abort | undefined): Promise<void> {
    abort?.throwIfAborted();
    await this.idle(abort);
    if (this.#ending.error !== undefined) throw this.#ending.error;
    return this.#flushes.add(abort);
  }

  /** Resolves when no send waits any more, because all went out or failed. */
  idle(abort?: Abort): Promise<void> {
    return this.#queue.idle(abort);
  }

  /** Called by the transport when there is room. */
  onRoom(): void {
    this.#roomWanted = false;
    this.#advance();
    if (this.#queue.length > 0 || !this.#drainDue || this.#ending.error !== undefined) return;
    this.#drainDue = false;
    this.#events.drain();
  }

  /** Sends what waits, as far as there is room, and asks for what the next one lacks. */
  #advance(): void {
    const status = this.#queue.advance();
    if (status !== SENT && status !== ENDED) this.#want(status);
  }

  /** Called by the transport when there may be memory for blocks. */
  onMemory(): void {
    if (this.#queue.length > 0 || this.#drainDue) this.onRoom();
  }

  /** Called by the transport when the peer has taken everything that was sent before it was asked. */
  onTaken(): void {
    this.#flushes.onTaken();
  }

  /** Fails all that waits: the channel has ended. */
  end(): void {
    const { error } = this.#ending;
    this.#queue.fail(error);
    this.#flushes.fail(error);
  }

  /** Like `Encoder.send`, without waiting. Returns NO_MEMORY for a message that found none. */
  #sendParcel(parcel: Parcel | undefined): SendStatus {
    if (parcel === undefined) return NO_MEMORY;
    try {
      return this.#encoder.send(parcel, 0);
    } catch (error) {
      parcel.body?.release();
      throw error;
    }
  }

  /** Like `Encoder.send`, but releases a body that does not go out. */
  #sendOrDrop(parcel: Parcel | undefined, timeout: number): SendStatus {
    if (parcel === undefined) return NO_MEMORY;
    try {
      return this.#encoder.send(parcel, timeout);
    } finally {
      parcel.body?.release();
    }
  }

  #sendQueueSync(lane: BlockingLane, timeout: number): boolean {
    const until = performance.now() + timeout;
    while (this.#queue.length > 0) {
      const left = Math.max(0, until - performance.now());
      const status = this.#queue.advanceSync(lane, left);
      if (status === FULL || (status === NO_MEMORY && left <= 0)) return false;
      if (status === NO_MEMORY) this.#waitMemory(lane, left);
      else if (status !== SENT) this.#refuse(status);
    }
    return true;
  }

  /** Blocks the thread until there may be memory. Throws if the peer is gone, because an encoding without memory does not notice that. */
  #waitMemory(lane: BlockingLane, timeout: number): void {
    lane.waitMemory(timeout);
    this.#events.look();
    if (this.#ending.reason !== undefined) throw this.#ending.error;
  }

  #full(status: SendStatus): false {
    this.#drainDue = true;
    this.#want(status);
    return false;
  }

  /** Asks the transport for what is missing: memory or room. */
  #want(status: SendStatus): void {
    if (status === NO_MEMORY) {
      this.#bulk.wantMemory();
      return;
    }
    if (this.#roomWanted) return;
    this.#roomWanted = true;
    this.#lane.wantRoom();
  }

  /** Throws for a message that the transport does not take: too long, or sent after the end. */
  #refuse(status: number): never {
    if (status !== ENDED) throw new MessageTooLargeError(this.limit, undefined);
    throw this.#whyEnded();
  }

  #whyEnded(): RingbellError {
    this.#events.look();
    return this.#ending.error ?? new ClosedError("the channel has ended");
  }
}

/**
 * Returns a promise that is rejected because the channel has ended. A program that awaits it gets the error.
 * For other programs it is no unhandled rejection: the channel itself reports its end, and a peer that goes
 * must not bring down a process that answers it.
 */
function rejected(error: RingbellError): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(() => {});
  return promise;
}

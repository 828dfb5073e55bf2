import { now } from "../clock.js";
import type { Codec } from "../codec/codec.js";
import { GONE } from "../codec/inline.js";
import { codecToSend, type Outgoing } from "../codec/lane-codec.js";
import type { Ending } from "../ending.js";
import { ClosedError, MessageTooLargeError, type RingbellError } from "../errors.js";
import type { BlockingLane, TransportBulk, TransportLane } from "../transport/contract.js";
import { refusal, resumeInTurn, turnIsOver } from "../transport/loop-turn.js";
import { ENDED, FULL, NO_MEMORY, SENT, type SendStatus } from "../transport/records/send-status.js";
import type { Abort } from "./abort.js";
import { blockingLane } from "./blocking.js";
import { Encoder } from "./encoder.js";
import { Flushes } from "./flushes.js";
import type { MessageLimits, Parcel, Rest } from "./parcel.js";
import { parts } from "./parts.js";
import { WaitingSends } from "./waiting-sends.js";

/** The promise that `send` returns for a message that found room. It is always the same one, so that nothing is allocated. */
export const ON_ITS_WAY: Promise<void> = Promise.resolve();

/** After this many messages a send looks whether the turn of the event loop is over. A call of sendMany, or 4096 messages of it, counts as 16. */
const LONGEST_STREAK = 256;
const PART_OF_STREAK = 16;

/** The reason for which a batch ended before its messages did. `full`: there was no room. Otherwise as for `Rest`. */
type Stop<Send> = { readonly full: true } | ({ readonly full?: never } & Rest<Send>);
const NO_ROOM: Stop<never> = { full: true };

/** The calls of the sending half to its lane. */
export interface SendingEvents {
  /** Called when there is room again, after a send had found none. */
  drain(): void;
  /** Looks whether the peer has gone; if so, `ending` has the reason afterwards. */
  look(): void;
}

/**
 * The sending half of a lane. Longer than other files: all ways to send share the order of the queue and the wish for room, and
 * read best side by side.
 */
export class SendingHalf<Send> {
  // No #members: see "The straight line" in docs/architecture.md.

  declare private readonly lane: TransportLane;
  declare private readonly bulk: TransportBulk;
  declare private readonly encoder: Encoder<Send>;
  /** The sends that wait. While any waits, no other overtakes it. */
  declare private readonly queue: WaitingSends<Send>;
  declare private readonly flushes: Flushes;
  declare private readonly ending: Ending;
  declare private readonly events: SendingEvents;
  private stop: Stop<Send> | undefined;
  /** How many messages have found room since a send last waited for the event loop. */
  private streak = 0;
  private roomWanted = false;
  private drainDue = false;

  constructor(
    lane: TransportLane,
    bulk: TransportBulk,
    codec: Codec<Send, unknown>,
    limits: MessageLimits,
    ending: Ending,
    events: SendingEvents,
  ) {
    this.lane = lane;
    this.bulk = bulk;
    this.encoder = new Encoder(lane, bulk, codecToSend(codec, this.outgoing(lane)), limits);
    this.queue = new WaitingSends(lane, this.encoder, () => this.advance());
    if (lane.inline !== undefined) lane.inline.out.earlier = this.queue;
    this.flushes = new Flushes(lane);
    this.ending = ending;
    this.events = events;
  }

  /** What a codec that learns asks. It is not called for other codecs. */
  private outgoing(lane: TransportLane): Outgoing {
    return {
      sent: () => lane.stats().sentMessages,
      packed: () => lane.place.packed,
      isNext: (bytes) => this.queue.length === 0 && bytes <= this.encoder.inRing,
    };
  }

  /** The longest message that can be sent, in bytes as encoded. */
  get limit(): number {
    return this.encoder.limit;
  }

  /** The number of sends that wait. */
  get waiting(): number {
    return this.queue.length;
  }

  trySend(message: Send): boolean {
    if (this.ending.error !== undefined) throw this.ending.error;
    if (this.queue.length > 0) return this.full(FULL);
    const encoded = this.encoder.encode(message, false);
    if (encoded === GONE) return true;
    // A message that was sent from within encoding may wait, and goes first.
    if (typeof encoded !== "number" || this.queue.length > 0) return this.trySendEncoded(encoded);
    const status = this.lane.send(encoded);
    return status === SENT || this.notSent(status);
  }

  send(message: Send, abort: Abort | undefined): Promise<void> {
    try {
      abort?.throwIfAborted();
      if (this.ending.error !== undefined) return rejected(this.ending.error);
      return this.sendEncoded(message, this.encoder.encode(message, true), abort);
    } catch (error) {
      return refusal(error);
    }
  }

  sendSync(message: Send, timeout: number): boolean {
    const lane = blockingLane(this.lane);
    if (this.ending.error !== undefined) throw this.ending.error;
    if (this.queue.length > 0 && !this.sendQueueSync(lane, timeout)) return false;
    const encoded = this.encoder.encode(message, false);
    if (encoded === GONE) return true;
    if (typeof encoded !== "number" || this.queue.length > 0)
      return this.sendEncodedSync(lane, message, encoded, timeout);
    const status = lane.sendWait(encoded, timeout);
    return status === SENT || (status === FULL ? false : this.refuse(status));
  }

  /**
   * Sends messages from index `from` on, as many as there is room for. Returns the index of the first that was not
   * sent. Throws only if that is the first of all.
   */
  trySendMany(messages: readonly Send[], from: number): number {
    if (this.ending.error !== undefined) throw this.ending.error;
    for (let next = from; ; next++) {
      next = this.sendBatches(messages, next, false);
      const stop = this.takeStop();
      if (stop === undefined) return next;
      try {
        if (!this.trySendStopped(stop, messages, next, next === from)) return next;
      } catch (error) {
        if (next === from) throw error;
        return next;
      }
    }
  }

  /** Tries to send the message that stopped a batch, that at `next`. `first`: none of the batch went out. */
  private trySendStopped(stop: Stop<Send>, messages: readonly Send[], next: number, first: boolean): boolean {
    if ("error" in stop) throw stop.error;
    if (!stop.full) return this.trySendEncoded(stop.encoded);
    // An attempt with one message tells a full lane from one that has ended.
    return first ? this.trySend(messages[next]!) : this.full(FULL);
  }

  /** Sends all messages, and waits for room between them. `sent` is called with the number of those that have gone out since the last call. */
  async sendMany(
    messages: Iterable<Send>,
    abort: Abort | undefined,
    sent: (count: number) => void,
  ): Promise<void> {
    abort?.throwIfAborted();
    for (const part of parts(messages)) {
      this.streak += PART_OF_STREAK;
      if (this.streak >= LONGEST_STREAK) await this.afterStreak(undefined);
      for (let next = 0; next < part.length; ) {
        if (this.ending.error !== undefined) throw this.ending.error;
        const first = next;
        next = this.sendBatches(part, first, true);
        sent(next - first);
        const stop = this.takeStop();
        if (stop === undefined) break;
        if ("error" in stop) throw stop.error;
        // One message waits for room in the queue, which keeps the order, and handles aborts and the end.
        // A message that is encoded is not read again from the array: an element may be a getter, which sends.
        const sending = stop.full
          ? this.send(part[next]!, abort)
          : this.sendEncoded(stop.message, stop.encoded, abort);
        if (sending !== ON_ITS_WAY) await sending;
        sent(1);
        next++;
      }
    }
    await this.lane.written?.();
  }

  /** Like `sendMany`, but blocks the thread. Returns how many were sent: all, unless the time was over. */
  sendManySync(messages: Iterable<Send>, timeout: number, sent: (count: number) => void): number {
    const lane = blockingLane(this.lane);
    const until = now() + timeout;
    let count = 0;
    for (const part of parts(messages)) {
      for (let next = 0; next < part.length; ) {
        if (this.ending.error !== undefined) throw this.ending.error;
        const first = next;
        next = this.sendBatches(part, first, false);
        sent(next - first);
        count += next - first;
        const stop = this.takeStop();
        if (stop === undefined) break;
        if ("error" in stop) throw stop.error;
        const left = Math.max(0, until - now());
        const done = stop.full
          ? this.sendSync(part[next]!, left)
          : this.sendEncodedSync(lane, stop.message, stop.encoded, left);
        if (!done) return count;
        sent(1);
        count++;
        next++;
      }
    }
    return count;
  }

  /** Resolves when the peer has taken all that was sent before, waiting sends included. */
  async flush(abort: Abort | undefined): Promise<void> {
    try {
      abort?.throwIfAborted();
      await this.idle(abort);
      if (this.ending.error !== undefined) throw this.ending.error;
    } catch (error) {
      return refusal(error);
    }
    return this.flushes.add(abort);
  }

  /** Resolves when no send waits any more, because all went out or failed. */
  idle(abort?: Abort): Promise<void> {
    return this.queue.idle(abort);
  }

  /** Called by the transport when there is room. */
  onRoom(): void {
    this.roomWanted = false;
    this.advance();
    if (this.queue.length > 0 || !this.drainDue || this.ending.error !== undefined) return;
    this.drainDue = false;
    this.events.drain();
  }

  /** Sends what waits, as far as there is room, and asks for what the next one lacks. */
  private advance(): void {
    const status = this.queue.advance();
    if (status !== SENT && status !== ENDED) this.want(status);
  }

  /** Called by the transport when there may be memory for blocks. */
  onMemory(): void {
    if (this.queue.length > 0 || this.drainDue) this.onRoom();
  }

  /** Called by the transport when the peer has taken everything that was sent before it was asked. */
  onTaken(): void {
    this.flushes.onTaken();
  }

  /** Fails all that waits: the channel has ended. */
  end(): void {
    const { error } = this.ending;
    this.queue.fail(error);
    this.flushes.fail(error);
  }

  /**
   * Resolves in a coming turn of the event loop, if this one is over. A program that awaits sends in a loop, to a peer that keeps
   * up, would otherwise never let it turn.
   */
  private afterStreak(written: Promise<void> | undefined): Promise<void> {
    this.streak = 0;
    if (!turnIsOver()) return written ?? ON_ITS_WAY;
    const later = new Promise<void>(resumeInTurn);
    if (written === undefined) return later;
    const both = written.then(() => later);
    // As in `rejected`.
    both.catch(() => {});
    return both;
  }

  /** Sends messages from index `from` on in batches. Returns the index of the first that was not sent; `takeStop` has the reason. */
  private sendBatches(messages: readonly Send[], from: number, waits: boolean): number {
    let stop: Stop<Send> | undefined;
    let next = from;
    while (next < messages.length && stop === undefined) {
      // Sends that wait go first; they may have begun to wait while a message of the last batch was encoded.
      if (this.queue.length > 0) {
        stop = NO_ROOM;
        break;
      }
      const sent = this.encoder.sendBatch(messages, next, waits);
      next += sent < 0 ? ~sent : sent;
      stop = sent < 0 ? NO_ROOM : this.encoder.takeRest();
    }
    this.stop = stop;
    return next;
  }

  private takeStop(): Stop<Send> | undefined {
    const stop = this.stop;
    this.stop = undefined;
    return stop;
  }

  private trySendEncoded(encoded: number | Parcel | undefined): boolean {
    // A message that was sent from within encoding may wait, and goes first.
    if (this.queue.length > 0) {
      if (typeof encoded === "object") encoded.body?.release();
      return this.full(FULL);
    }
    const status = typeof encoded === "number" ? this.lane.send(encoded) : this.sendOrDrop(encoded, 0);
    return status === SENT || this.notSent(status);
  }

  private notSent(status: SendStatus): false {
    this.encoder.forget();
    return status === FULL || status === NO_MEMORY ? this.full(status) : this.refuse(status);
  }

  private sendEncoded(
    message: Send,
    encoded: number | Parcel | undefined,
    abort: Abort | undefined,
  ): Promise<void> {
    if (encoded === GONE) return this.hasGone();
    let status: SendStatus = FULL;
    if (this.queue.length === 0) {
      status = typeof encoded === "number" ? this.lane.send(encoded) : this.sendParcel(encoded);
      if (status === SENT) return this.hasGone();
      if (status === ENDED) {
        if (typeof encoded === "object") encoded.body?.release();
        return rejected(this.whyEnded());
      }
      if (status !== FULL && status !== NO_MEMORY) this.refuse(status);
    }
    const sending = this.queue.add(message, encoded, abort);
    // A send behind others needs no wish of its own: it is attempted when the others have gone out.
    if (this.queue.length === 1) this.want(status);
    // As in `rejected`: it fails only by the end of the channel, or by an abort, which the caller made.
    sending.catch(() => {});
    return sending;
  }

  private sendEncodedSync(
    lane: BlockingLane,
    message: Send,
    first: number | Parcel | undefined,
    timeout: number,
  ): boolean {
    let encoded = first;
    let left = timeout;
    let until = 0;
    for (;;) {
      if (this.queue.length > 0) return this.sendBehindSync(lane, message, encoded, left);
      const status =
        typeof encoded === "number" ? lane.sendWait(encoded, left) : this.sendOrDrop(encoded, left);
      if (status === SENT) return true;
      if (status !== FULL && status !== NO_MEMORY) this.refuse(status);
      if (status === FULL || left <= 0) return false;
      until ||= now() + timeout;
      this.waitMemory(lane, left);
      left = Math.max(0, until - now());
      encoded = this.encoder.encodeAgain(message, false);
    }
  }

  /** Sends a message behind those that have begun to wait while it was encoded. */
  private sendBehindSync(
    lane: BlockingLane,
    message: Send,
    encoded: number | Parcel | undefined,
    timeout: number,
  ): boolean {
    const late = new AbortController();
    this.queue.add(message, encoded, late.signal).catch(() => {});
    const sent = this.sendQueueSync(lane, timeout);
    // Nothing stays queued. (After it was sent, an abort has no effect.)
    late.abort();
    return sent;
  }

  /** Returns what `send` returns for a message that has gone out. */
  private hasGone(): Promise<void> {
    const written = this.lane.written?.();
    return ++this.streak < LONGEST_STREAK ? (written ?? ON_ITS_WAY) : this.afterStreak(written);
  }

  /** Like `Encoder.send`, without waiting. Returns NO_MEMORY for a message that found none. */
  private sendParcel(parcel: Parcel | undefined): SendStatus {
    if (parcel === undefined) return NO_MEMORY;
    try {
      return this.encoder.send(parcel, 0);
    } catch (error) {
      parcel.body?.release();
      throw error;
    }
  }

  /** Like `Encoder.send`, but releases a body that does not go out. */
  private sendOrDrop(parcel: Parcel | undefined, timeout: number): SendStatus {
    if (parcel === undefined) return NO_MEMORY;
    try {
      return this.encoder.send(parcel, timeout);
    } finally {
      parcel.body?.release();
    }
  }

  private sendQueueSync(lane: BlockingLane, timeout: number): boolean {
    const until = now() + timeout;
    while (this.queue.length > 0) {
      const left = Math.max(0, until - now());
      const status = this.queue.advanceSync(lane, left);
      if (status === FULL || (status === NO_MEMORY && left <= 0)) return false;
      if (status === NO_MEMORY) this.waitMemory(lane, left);
      else if (status !== SENT) this.refuse(status);
    }
    return true;
  }

  /** Blocks the thread until there may be memory. Throws if the peer is gone, because an encoding without memory does not notice that. */
  private waitMemory(lane: BlockingLane, timeout: number): void {
    lane.waitMemory(timeout);
    this.events.look();
    if (this.ending.reason !== undefined) throw this.ending.error;
  }

  private full(status: SendStatus): false {
    this.lane.triedInVain?.();
    this.drainDue = true;
    this.want(status);
    return false;
  }

  /** Asks the transport for what is missing: memory or room. */
  private want(status: SendStatus): void {
    if (status === NO_MEMORY) {
      this.bulk.wantMemory();
      return;
    }
    if (this.roomWanted) return;
    this.roomWanted = true;
    this.lane.wantRoom();
  }

  /** Throws for a message that the transport does not take: too long, or sent after the end. */
  private refuse(status: number): never {
    if (status !== ENDED) throw new MessageTooLargeError(this.limit, undefined);
    throw this.whyEnded();
  }

  private whyEnded(): RingbellError {
    this.events.look();
    return this.ending.error ?? new ClosedError("the channel has ended");
  }
}

/**
 * Returns a promise that is rejected because the channel has ended. A program that awaits it gets the error.
 * For other programs it is no unhandled rejection: the channel itself reports its end, and a peer that goes
 * must not bring down a process that answers it.
 */
function rejected(error: RingbellError): Promise<never> {
  const promise = refusal(error);
  promise.catch(() => {});
  return promise;
}

import { nextTick, now, soon } from "../clock.js";
import type { Codec } from "../codec/codec.js";
import { codecToReceive } from "../codec/lane-codec.js";
import type { Ending } from "../ending.js";
import { raise } from "../raise.js";
import type { BlockingLane, TransportLane } from "../transport/contract.js";
import { refusal, resumeInTurn, TURN } from "../transport/loop-turn.js";
import { type Abort, abortable } from "./abort.js";
import { blockingLane } from "./blocking.js";
import { type Consumer, consumerBusy } from "./consumer.js";
import { Inbox } from "./inbox.js";
import { messageIterator, type Waiter } from "./message-iterator.js";
import { Pace } from "./pace.js";
import { ON_ITS_WAY } from "./sending-half.js";

/** The calls of the receiving half to its lane. */
export interface ReceivingEvents<Receive> {
  /** Returns the present listener for messages. */
  listener(): ((message: Receive) => unknown) | undefined;
  /** Called for a message that could not be decoded, unless a call that asked for this very message throws the error. */
  bad(error: unknown): void;
  /** Called when the channel has ended and the listener, if there is one, has got all that had arrived. */
  finished(): void;
  /** Looks whether the peer has gone; if so, `ending` has the reason afterwards. */
  look(): void;
}

/**
 * The receiving half of a lane. Decides which consumer takes messages out of the inbox, and when. Longer than other files: only one
 * consumer may have the inbox at a time, so all of them are here.
 */
export class ReceivingHalf<Receive> {
  // No #members: see "The straight line" in docs/architecture.md.

  declare private readonly lane: TransportLane;
  declare private readonly inbox: Inbox<Receive>;
  declare private readonly ending: Ending;
  declare private readonly events: ReceivingEvents<Receive>;
  private readonly pace = new Pace();
  private readonly bad = (error: unknown): void => this.events.bad(error);
  private consumer: Consumer = "none";
  private readonly waiters: Waiter<Receive>[] = [];
  /** The listener for messages, looked up once. */
  private listener: ((message: Receive) => unknown) | undefined;
  /** Whether microtasks run between two messages that the listener gets. */
  drainMicrotasks = false;
  /** Whether the listener's next messages come later. */
  private resuming = false;
  /** Whether the lane has ended: no more records come. */
  private over = false;
  private finished = false;

  constructor(
    lane: TransportLane,
    codec: Codec<never, Receive>,
    ending: Ending,
    events: ReceivingEvents<Receive>,
  ) {
    this.lane = lane;
    this.inbox = new Inbox(lane, codecToReceive(codec), ending);
    this.ending = ending;
    this.events = events;
  }

  /** Messages that could not be decoded. */
  get badMessages(): number {
    return this.inbox.badMessages;
  }

  /** The bytes of the messages that were drained and that the program has not taken. */
  get untaken(): number {
    return this.over ? 0 : this.inbox.bytes;
  }

  /** When messages were taken last (ms since the epoch), as far as the pace has looked at the clock; 0 if it never has. */
  get lastTaken(): number {
    return this.pace.lookedAt;
  }

  tryReceive(): Receive | undefined {
    this.mustBeFree();
    return this.inbox.tryNext();
  }

  receiveMany(max: number): Receive[] {
    this.mustBeFree();
    while (this.inbox.fill()) {
      const messages = this.inbox.takeMany(max, this.bad);
      if (messages.length > 0) return messages;
    }
    return [];
  }

  receiveSync(timeout: number): Receive | undefined {
    const lane = blockingLane(this.lane);
    this.mustBeFree();
    const message = this.inbox.lookInRing();
    if (message !== undefined) return message;
    return this.fillSync(lane, timeout) ? this.inbox.next() : undefined;
  }

  receiveManySync(max: number, timeout: number): Receive[] {
    const lane = blockingLane(this.lane);
    this.mustBeFree();
    const until = timeout < Number.POSITIVE_INFINITY ? now() + timeout : timeout;
    for (let left = timeout; this.fillSync(lane, left); left = Math.max(0, until - now())) {
      const messages = this.inbox.takeMany(max, this.bad);
      if (messages.length > 0) return messages;
    }
    return [];
  }

  receive(abort: Abort | undefined): Promise<Receive> {
    try {
      abort?.throwIfAborted();
      if (this.consumer !== "none") this.busy();
      if (this.canTakeNow()) return Promise.resolve(this.inbox.next());
    } catch (error) {
      return refusal(error);
    }
    if (this.isDry()) return refusal(this.ending.error);
    return abortable<Receive>(abort, (resolve, reject) =>
      this.await({ resolve, reject, end: () => reject(this.ending.error) }),
    );
  }

  /** Iterates over every message until the loop is left, the channel is closed, or (throwing) the peer dies. */
  iterate(): AsyncIterableIterator<Receive> {
    if (this.consumer !== "none" || this.waiters.length > 0) this.busy();
    this.consumer = "iterator";
    return messageIterator<Receive>({
      canTakeNow: () => this.canTakeNow(),
      take: () => this.inbox.next(),
      bad: this.bad,
      isDry: () => this.isDry(),
      failure: () => this.ending.failure,
      wait: (waiter) => void this.await(waiter),
      leave: () => {
        this.consumer = "none";
      },
      stopWaiting: () => {
        if (!this.over) this.lane.wantRecords(false);
        return this.waiters.splice(0);
      },
    });
  }

  /** Makes a listener the consumer from now on. */
  attachListener(): void {
    if (this.consumer !== "none" || this.waiters.length > 0) this.busy();
    this.consumer = "listener";
    this.listener = undefined;
    // Delivery begins later, because the caller of `on` may have more to set up.
    this.resumeSoon();
  }

  detachListener(): void {
    if (this.consumer !== "listener") return;
    this.consumer = "none";
    this.listener = undefined;
    if (!this.over) this.lane.wantRecords(false);
    this.finish();
  }

  /** Whether messages are left after the end that nobody has taken. */
  get hasRest(): boolean {
    return this.inbox.fill();
  }

  /** Whether a listener has not yet got all messages after the end. */
  get isDelivering(): boolean {
    return this.consumer === "listener" && this.hasRest;
  }

  /** Called by the transport when records stand at the cursor, which had none left. Returns whether the turn may go on. */
  onRecords(): boolean {
    if (this.consumer === "listener") return this.deliver();
    this.answer();
    return false;
  }

  /**
   * Ends the half: no more comes over the lane. Messages that have arrived stay until they are taken, unless
   * `drop`. Then waiting receives fail, and iterators end, or throw what the peer did wrong.
   */
  end(drop: boolean): void {
    if (this.over) return;
    if (drop) this.inbox.drop();
    else this.inbox.save();
    this.over = true;
    // A waiting receive gets what was still there, and after that the end.
    this.answer();
    if (this.isDelivering) this.resumeSoon();
    else this.finish();
  }

  /** Drops what has arrived and was not taken. */
  drop(): void {
    this.inbox.drop();
  }

  /** Like `Inbox.fillSync`. Throws at the end of the channel. */
  private fillSync(lane: BlockingLane, timeout: number): boolean {
    if (this.inbox.fillSync(lane, timeout)) return true;
    this.events.look();
    if (this.over || this.ending.reason !== undefined) throw this.ending.error;
    return false;
  }

  /**
   * Gives messages to the listener, for as long as a turn allows. Returns whether the turn may go on with
   * more: all messages were taken, fast, and the listener left nothing to promises.
   */
  private deliver(): boolean {
    const inbox = this.inbox;
    let direct = false;
    try {
      direct = this.callListener();
    } catch (error) {
      // The program hears of it before the listener gets the next message.
      raise(error);
    }
    if (inbox.count > 0 && this.consumer === "listener") this.resumeLater();
    // The listener has returned, and the peer may need the memory to send the next message.
    else inbox.lookAway();
    return direct && inbox.count === 0 && this.consumer === "listener" && !this.resuming;
  }

  /** Calls the listener with messages, for as long as a turn allows. Returns whether they were fast and left nothing to promises. */
  private callListener(): boolean {
    const inbox = this.inbox;
    const pace = this.pace;
    let turnEnd = 0;
    let direct = true;
    while (inbox.count > 0 && this.consumer === "listener") {
      let message: Receive;
      try {
        message = inbox.next();
      } catch (error) {
        this.events.bad(error);
        continue;
      }
      this.listener ??= this.events.listener();
      const result = this.listener?.(message);
      // A promise belongs to the listener, unless it is what `send` returns for a message that is on its
      // way.
      if (typeof result === "object" && result !== ON_ITS_WAY) direct = false;
      if (this.drainMicrotasks) return false;
      if (!pace.isDue()) continue;
      const now = pace.look();
      if (turnEnd === 0) turnEnd = now + TURN;
      if (pace.isSlow) direct = false;
      if (now >= turnEnd) break;
    }
    return direct;
  }

  /** Continues later with the listener, which has messages to get. */
  private resumeLater(): void {
    if (!this.drainMicrotasks || this.pace.turnIsOver()) {
      this.resumeSoon();
      return;
    }
    if (!this.over) this.lane.wantRecords(false);
    this.resuming = true;
    // A tick that a microtask asks for runs when no microtask is left, even those that other microtasks have
    // added.
    soon(() => nextTick(() => this.resume()));
  }

  /** Continues with the listener in a coming turn of the event loop. */
  private resumeSoon(): void {
    if (!this.over) this.lane.wantRecords(false);
    if (this.resuming) return;
    this.resuming = true;
    resumeInTurn(() => this.resume());
  }

  private resume(): void {
    this.resuming = false;
    if (this.consumer !== "listener") return;
    this.deliver();
    if (this.resuming || this.consumer !== "listener") return;
    if (!this.over) this.lane.wantRecords(true);
    else if (this.inbox.fill()) this.resumeSoon();
    else this.finish();
  }

  private finish(): void {
    if (!this.over || this.finished) return;
    this.finished = true;
    this.events.finished();
  }

  /**
   * Returns whether a message is there, no other call waits for it, and the turn of the event loop is not
   * used up. Promises that are settled already run on without the event loop.
   */
  private canTakeNow(): boolean {
    return this.waiters.length === 0 && this.inbox.fill() && !this.pace.turnIsOver();
  }

  /** Returns whether no message is left and none will come. */
  private isDry(): boolean {
    return this.over && !this.inbox.fill();
  }

  private await(waiter: Waiter<Receive>): () => void {
    this.waiters.push(waiter);
    if (this.inbox.count > 0) resumeInTurn(() => this.waiters.length > 0 && this.answer());
    else this.lane.wantRecords(true);
    return () => {
      const index = this.waiters.indexOf(waiter);
      if (index >= 0) this.waiters.splice(index, 1);
      if (this.waiters.length === 0 && !this.over) this.lane.wantRecords(false);
    };
  }

  /** Gives messages to the calls that wait. */
  private answer(): void {
    while (this.waiters.length > 0 && this.inbox.fill()) {
      // The waiter leaves the queue first: a codec may run code of the program, which may receive or end the channel.
      const waiter = this.waiters.shift()!;
      try {
        waiter.resolve(this.inbox.next());
      } catch (error) {
        if (this.consumer !== "iterator") {
          waiter.reject(error);
          continue;
        }
        this.waiters.unshift(waiter);
        this.events.bad(error);
      }
    }
    if (!this.over) this.lane.wantRecords(this.waiters.length > 0);
    else this.endWaiters();
  }

  private endWaiters(): void {
    const { failure } = this.ending;
    for (const waiter of this.waiters.splice(0)) {
      if (failure === undefined) waiter.end();
      else waiter.reject(failure);
    }
  }

  private mustBeFree(): void {
    if (this.consumer !== "none" || this.waiters.length > 0) this.busy();
  }

  private busy(): never {
    throw consumerBusy(this.consumer);
  }
}

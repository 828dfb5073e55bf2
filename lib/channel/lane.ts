import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { checkBoolean, checkInteger, checkNumber, checkOptions } from "../check.js";
import type {
  Block,
  CloseInfo,
  CloseOptions,
  Peer,
  Port,
  PortEvents,
  TimeoutOptions,
  WaitOptions,
} from "../port.js";
import { MAIN_LANE } from "../transport/handshake/geometry.js";
import { abortOf } from "./abort.js";
import { duplexOf, type LaneDuplexOptions } from "./duplex.js";
import type { Endable, LaneCore } from "./lane-core.js";
import type { ReceivingHalf } from "./receiving-half.js";
import type { SendingHalf } from "./sending-half.js";
import { type LaneReadable, type LaneWritable, readableOf, writableOf } from "./web-streams.js";

/** A lane that carries bytes in both directions. */
interface OfBytes {
  trySend(message: Uint8Array): boolean;
  tryReceive(): Uint8Array | undefined;
}

/**
 * Typed messages in both directions, in order, each exactly once. A channel is itself its lane `main`.
 *
 * All methods that send throw, or reject, after the end of the channel: ClosedError (ERR_RINGBELL_CLOSED) if it was closed by either
 * side, PeerDiedError (ERR_RINGBELL_PEER_DIED), CorruptError (ERR_RINGBELL_CORRUPT); EncodeError
 * (ERR_RINGBELL_ENCODE) for a message that the codec can't carry, and MessageTooLargeError (ERR_RINGBELL_MESSAGE_TOO_LARGE). All that
 * receive throw a ConsumerBusyError (ERR_RINGBELL_CONSUMER_BUSY) if something else receives already.
 */
export class Lane<Send = unknown, Receive = Send>
  extends EventEmitter<PortEvents<Receive>>
  implements Port<Send, Receive>
{
  /** Its name; `main` for the channel itself. */
  readonly name: string;
  /** Bytes in flight at most, each way. A record takes 8 bytes and its message, rounded up to 8. */
  readonly capacity: number;
  /** Without its types, as those of private members count when two lanes are compared, and this one would make them invariant. */
  readonly #core: LaneCore<never, unknown>;
  readonly #sender: SendingHalf<Send>;
  readonly #receiver: Pick<ReceivingHalf<Receive>, keyof ReceivingHalf<Receive>>;
  #readable: LaneReadable<Receive> | undefined;
  #writable: LaneWritable<Send> | undefined;

  /**
   * Whether microtasks run between two messages that a listener gets, as they do between the events of a socket: for code that
   * awaits something in a listener and expects it to be done when the next message comes. Some half a microsecond slower a message. By default
   * false: a batch is given to the listener at once. Can be switched at any time; of no effect on other ways to receive.
   */
  get drainMicrotasks(): boolean {
    return this.#receiver.drainMicrotasks;
  }

  set drainMicrotasks(on: boolean) {
    this.#core.receiver.drainMicrotasks = checkBoolean(on, "drainMicrotasks");
  }

  /** Made by `listen` and `connect`. */
  constructor(core: LaneCore<Send, Receive>) {
    super();
    this.name = core.transport.name;
    this.capacity = core.transport.capacity;
    this.#core = core as unknown as LaneCore<never, unknown>;
    this.#sender = core.sender;
    this.#receiver = core.receiver;
    const self = this as unknown as EventEmitter;
    core.emitter = self;
    self.on("newListener", (event) => {
      if (event === "message") this.#receiver.attachListener();
    });
    self.on("removeListener", (event) => {
      if (event === "message") this.#receiver.detachListener();
    });
  }

  /**
   * Sends the message if there is room; else returns false, nothing was queued, and `drain` is emitted when there is room
   * again. Also false while earlier `send`s wait.
   */
  trySend(message: Send): boolean {
    return this.#sender.trySend(message);
  }

  /**
   * Sends the message, as soon as there is room. It is encoded at once: the caller may change it after the call. The promise resolves
   * when the message is on its way. Waiting sends keep their order and take memory: await them.
   */
  send(message: Send, options?: WaitOptions): Promise<void> {
    return this.#sender.send(message, abortOf(options, "the message found no room"));
  }

  /** Sends the message, blocking the thread while there is no room. Returns false, and nothing was queued, on time-out. */
  sendSync(message: Send, options?: TimeoutOptions): boolean {
    return this.#sender.sendSync(
      message,
      options === undefined ? Number.POSITIVE_INFINITY : timeoutOf(options),
    );
  }

  /** Sends, from index `from` on, as many as there is room for, published together; returns the index of the first that was not sent. */
  trySendMany(messages: readonly Send[], from = 0): number {
    checkInteger(from, "from", 0, messages.length);
    return this.#sender.trySendMany(messages, from);
  }

  /** Sends all, in batches that are published together, waiting for room between them. Rejects in the middle on abort or end. */
  sendMany(messages: Iterable<Send>, options?: WaitOptions): Promise<void> {
    return this.#sender.sendMany(messages, abortOf(options, "the messages found no room"));
  }

  /** As `sendMany`, blocking the thread. Returns how many were sent: all, unless the time was over. */
  sendManySync(messages: Iterable<Send>, options?: TimeoutOptions): number {
    return this.#sender.sendManySync(
      messages,
      options === undefined ? Number.POSITIVE_INFINITY : timeoutOf(options),
    );
  }

  /** The next message if one has arrived; else undefined. Throws if it can't be decoded; the next call goes on after it. */
  tryReceive(): Receive | undefined {
    return this.#receiver.tryReceive();
  }

  /** The next message. Rejects at the end of the channel, and if the message can't be decoded. Several may wait; they are served in order. */
  receive(options?: WaitOptions): Promise<Receive> {
    return this.#receiver.receive(abortOf(options, "no message came"));
  }

  /**
   * The next message, blocking the thread until there is one; undefined on time-out. Throws at the end of the channel,
   * and if the message can't be decoded.
   */
  receiveSync(options?: TimeoutOptions): Receive | undefined {
    return this.#receiver.receiveSync(options === undefined ? Number.POSITIVE_INFINITY : timeoutOf(options));
  }

  /** Up to `max` of the messages that have arrived. A shorter array does not mean that the ring is empty; only an empty one does. A message that does not decode is left out, and emitted as `error`. */
  receiveMany(max: number): Receive[] {
    checkInteger(max, "max", 1, Number.MAX_SAFE_INTEGER);
    return this.#receiver.receiveMany(max);
  }

  /** As `receiveMany`, blocking the thread until there is at least one; empty on time-out. Throws at the end of the channel. */
  receiveManySync(max: number, options?: TimeoutOptions): Receive[] {
    checkInteger(max, "max", 1, Number.MAX_SAFE_INTEGER);
    return this.#receiver.receiveManySync(
      max,
      options === undefined ? Number.POSITIVE_INFINITY : timeoutOf(options),
    );
  }

  /**
   * All messages, as they come. Ends when either side closes the channel, after what has arrived; throws if the peer
   * dies or breaks the protocol. Leaving the loop leaves the channel open. Messages that can't be decoded are emitted as `error`.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Receive> {
    return this.#receiver.iterate();
  }

  /** The process at the other end. */
  get peer(): Peer {
    return this.#core.channel.peer;
  }

  /** Of its channel: `open`; `closing` while `close` waits for sends; `closed`. */
  get state(): "open" | "closing" | "closed" {
    return this.#core.channel.state;
  }

  /**
   * Resolves when its channel has ended, with the reason. Never rejects. Where a listener for messages is attached, it has got what had
   * arrived before.
   */
  get closed(): Promise<CloseInfo> {
    return this.#core.channel.closed;
  }

  /** As `Channel.allocate`: the lanes of a channel have their memory for blocks in common. */
  allocate(bytes: number, options?: WaitOptions): Promise<Block> {
    return this.#core.channel.allocate(bytes, options);
  }

  /** As `Channel.tryAllocate`. */
  tryAllocate(bytes: number): Block | undefined {
    return this.#core.channel.tryAllocate(bytes);
  }

  /** Ends its channel, as `Channel.close`: lanes have one end in common, for both sides must hear of it, and of its reason. */
  close(options?: CloseOptions): Promise<void> {
    return this.#core.channel.close(options);
  }

  /** Ends its channel at once, as `Channel.destroy`. */
  destroy(error?: Error): void {
    this.#core.channel.destroy(error);
  }

  /** Lets its channel keep the process alive again. */
  ref(): this {
    this.#core.channel.ref();
    return this;
  }

  /** Lets the process end although its channel is open. */
  unref(): this {
    this.#core.channel.unref();
    return this;
  }

  /** Resolves when the peer has taken all that was sent on this lane before, waiting sends included. Rejects at the end of the channel. */
  flush(options?: WaitOptions): Promise<void> {
    return this.#sender.flush(abortOf(options, "the peer has not taken everything"));
  }

  /**
   * The messages as a Web Stream. It becomes the consumer of the lane with its first read, which fails with a ConsumerBusyError where
   * there is one already, and takes nothing that was not asked for. Closes when either side closes the channel, after what has
   * arrived; fails if the peer dies or breaks the protocol, or this side destroys the channel with an error. Always the same
   * object; after `cancel`, which leaves the lane open, a fresh one.
   */
  get readable(): LaneReadable<Receive> {
    this.#readable ??= readableOf(this.#core, () => {
      this.#readable = undefined;
    }) as LaneReadable<Receive>;
    return this.#readable;
  }

  /**
   * A Web Stream that sends what is written to it, waiting for room. To close it waits until the peer has taken everything, and then, on
   * the lane `main`, closes the channel; other lanes stay open. To abort it destroys the channel with the reason (`main`), or only stops
   * (others). It fails with why the channel has ended, as soon as it has. Always the same object; after it was closed or
   * aborted, or has failed by a message that can't be sent, a fresh one.
   */
  get writable(): LaneWritable<Send> {
    this.#writable ??= writableOf(this.#core, this.#endable(), () => {
      this.#writable = undefined;
    }) as LaneWritable<Send>;
    return this.#writable;
  }

  /**
   * A stream of bytes in both directions, as a socket is one: for `pipeline`, files, child processes, HTTP. The codec must be `bytes()`
   * (InvalidArgumentError). It is the consumer of the lane until it is destroyed (ConsumerBusyError), and reads ahead from the beginning.
   *
   * A message of no bytes is the end of one direction: `end()` sends it, and "finish" comes when the peer has taken everything. When both
   * directions have ended, the channel is closed, if the lane is `main`; to destroy the stream before destroys the channel. A
   * peer that closes the channel without an end is a ClosedError, one that dies a PeerDiedError.
   */
  toDuplex(this: OfBytes, options: LaneDuplexOptions = {}): Duplex {
    const lane = this as unknown as Lane<Uint8Array, Uint8Array>;
    return duplexOf(lane.#core as unknown as LaneCore<Uint8Array, Uint8Array>, lane.#endable(), options);
  }

  /** What the streams of this lane end: the channel, where this is it. */
  #endable(): Endable | undefined {
    return this.name === MAIN_LANE ? (this as unknown as Endable) : undefined;
  }
}

const TIMEOUT_OPTIONS = ["timeout"];

function timeoutOf(options: TimeoutOptions): number {
  checkOptions(options, TIMEOUT_OPTIONS, "options");
  if (options.timeout === undefined) return Number.POSITIVE_INFINITY;
  return checkNumber(options.timeout, "options.timeout", 0, Number.POSITIVE_INFINITY);
}

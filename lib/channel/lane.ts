import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { checkBoolean, checkInteger, checkNumber, checkOptions, checkProgress } from "../check.js";
import type {
  Block,
  CloseInfo,
  CloseOptions,
  Peer,
  Port,
  PortEvents,
  ProgressOptions,
  TimeoutOptions,
  WaitOptions,
} from "../port.js";
import { MAIN_LANE } from "../transport/handshake/geometry.js";
import { abortFrom, abortOf } from "./abort.js";
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
 * All methods that send throw, or reject, after the end of the channel: with a ClosedError
 * (ERR_RINGBELL_CLOSED) if either side closed it, a PeerDiedError (ERR_RINGBELL_PEER_DIED) or a CorruptError
 * (ERR_RINGBELL_CORRUPT). A message that the codec does not carry throws an EncodeError
 * (ERR_RINGBELL_ENCODE). A message that is too long throws a MessageTooLargeError
 * (ERR_RINGBELL_MESSAGE_TOO_LARGE). All methods that receive throw a ConsumerBusyError
 * (ERR_RINGBELL_CONSUMER_BUSY) if the lane has another consumer already.
 */
export class Lane<Send = unknown, Receive = Send>
  extends EventEmitter<PortEvents<Receive>>
  implements Port<Send, Receive>
{
  /** The lane's name; `main` for the channel itself. */
  readonly name: string;
  /** The most bytes in flight, each way. A record takes 8 bytes and its message, rounded up to a multiple of 8. */
  readonly capacity: number;
  /** The core without its types. TypeScript compares the types of private members too, and these would make lanes invariant. */
  readonly #core: LaneCore<never, unknown>;
  readonly #sender: SendingHalf<Send>;
  readonly #receiver: Pick<ReceivingHalf<Receive>, keyof ReceivingHalf<Receive>>;
  #readable: LaneReadable<Receive> | undefined;
  #writable: LaneWritable<Send> | undefined;

  /**
   * Whether microtasks run between two messages that a listener gets, as they do between the events of a
   * socket. Code needs this if it awaits something in a listener and expects it to be done when the next
   * message comes. It costs some half a microsecond a message. Default false: the listener gets a batch at
   * once. May be switched at any time; has no effect on other ways to receive.
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
   * Sends the message if there is room. Otherwise returns false: nothing was queued, and `drain` is emitted
   * when there is room again. Returns false, too, while earlier `send`s wait.
   */
  trySend(message: Send): boolean {
    return this.#sender.trySend(message);
  }

  /**
   * Sends the message as soon as there is room. The message is encoded at once: the caller may change it
   * after the call. The promise resolves when the message is on its way. Waiting sends keep their order and
   * take memory: await them.
   */
  send(message: Send, options?: WaitOptions): Promise<void> {
    return this.#sender.send(message, abortOf(options, "the message found no room"));
  }

  /** Sends the message, and blocks the thread while there is no room. Returns false on time-out; nothing was queued then. */
  sendSync(message: Send, options?: TimeoutOptions): boolean {
    return this.#sender.sendSync(
      message,
      options === undefined ? Number.POSITIVE_INFINITY : timeoutOf(options),
    );
  }

  /**
   * Sends messages from index `from` on, as many as there is room for, and publishes them together. Returns
   * the index of the first message that was not sent. Throws only if that would be `from`: if it throws, none was
   * sent.
   */
  trySendMany(messages: readonly Send[], from = 0): number {
    checkInteger(from, "from", 0, messages.length);
    return this.#sender.trySendMany(messages, from);
  }

  /**
   * Sends all messages in batches that are published together, and waits for room between them. Rejects in
   * the middle on abort, at the end of the channel, if a message can't be encoded, and if the iterable throws. All
   * messages before that have gone out; `progress` has their number.
   */
  sendMany(messages: Iterable<Send>, options?: WaitOptions & ProgressOptions): Promise<void> {
    if (options !== undefined) checkOptions(options, SEND_MANY_OPTIONS, "options");
    const abort = options && abortFrom(options, "the messages found no room");
    return this.#sender.sendMany(messages, abort, counterOf(options));
  }

  /** Like `sendMany`, but blocks the thread. Returns how many were sent: all, unless the time was over. */
  sendManySync(messages: Iterable<Send>, options?: TimeoutOptions & ProgressOptions): number {
    if (options !== undefined) checkOptions(options, SEND_MANY_SYNC_OPTIONS, "options");
    return this.#sender.sendManySync(messages, timeoutFrom(options), counterOf(options));
  }

  /**
   * Returns the next message if one has arrived; else undefined. Throws if the message can't be decoded; the
   * next call continues with the message after it.
   */
  tryReceive(): Receive | undefined {
    return this.#receiver.tryReceive();
  }

  /**
   * Returns the next message. Rejects at the end of the channel, and if the message can't be decoded. Several
   * calls may wait; they are served in order.
   */
  receive(options?: WaitOptions): Promise<Receive> {
    return this.#receiver.receive(abortOf(options, "no message came"));
  }

  /**
   * Returns the next message, and blocks the thread until there is one; undefined on time-out. Throws at the
   * end of the channel, and if the message can't be decoded.
   */
  receiveSync(options?: TimeoutOptions): Receive | undefined {
    return this.#receiver.receiveSync(options === undefined ? Number.POSITIVE_INFINITY : timeoutOf(options));
  }

  /**
   * Returns up to `max` of the messages that have arrived. A shorter array does not mean that the ring is
   * empty; only an empty one does. A message that can't be decoded is left out, and emitted as `error`.
   */
  receiveMany(max: number): Receive[] {
    checkInteger(max, "max", 1, Number.MAX_SAFE_INTEGER);
    return this.#receiver.receiveMany(max);
  }

  /** Like `receiveMany`, but blocks the thread until there is at least one message; empty on time-out. Throws at the end of the channel. */
  receiveManySync(max: number, options?: TimeoutOptions): Receive[] {
    checkInteger(max, "max", 1, Number.MAX_SAFE_INTEGER);
    return this.#receiver.receiveManySync(
      max,
      options === undefined ? Number.POSITIVE_INFINITY : timeoutOf(options),
    );
  }

  /**
   * Iterates over all messages as they come. Ends when either side closes the channel, after what has
   * arrived. Throws if the peer dies or breaks the protocol. Leaving the loop leaves the channel open. A
   * message that can't be decoded is emitted as `error`.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Receive> {
    return this.#receiver.iterate();
  }

  /** The process at the other end. */
  get peer(): Peer {
    return this.#core.channel.peer;
  }

  /** The state of the lane's channel: `closing` while `close` waits for sends; `open` before, `closed` after the end. */
  get state(): "open" | "closing" | "closed" {
    return this.#core.channel.state;
  }

  /** Resolves when the lane's channel has ended, with the reason. Never rejects. A listener for messages first gets what had arrived. */
  get closed(): Promise<CloseInfo> {
    return this.#core.channel.closed;
  }

  /** Like `Channel.allocate`: all lanes of a channel share its memory for blocks. */
  allocate(bytes: number, options?: WaitOptions): Promise<Block> {
    return this.#core.channel.allocate(bytes, options);
  }

  /** Like `Channel.tryAllocate`. */
  tryAllocate(bytes: number): Block | undefined {
    return this.#core.channel.tryAllocate(bytes);
  }

  /** Ends the lane's channel, as `Channel.close` does. All lanes end together, because both sides must learn of the end and its reason. */
  close(options?: CloseOptions): Promise<void> {
    return this.#core.channel.close(options);
  }

  /** Ends the lane's channel at once, as `Channel.destroy` does. */
  destroy(error?: Error): void {
    this.#core.channel.destroy(error);
  }

  /** Makes the lane's channel keep the process alive again, after `unref`. */
  ref(): this {
    this.#core.channel.ref();
    return this;
  }

  /** Lets the process end while the lane's channel is open. */
  unref(): this {
    this.#core.channel.unref();
    return this;
  }

  /**
   * Resolves when the peer's process has taken all that was sent on this lane before, waiting sends included. Over shared memory it
   * reads ahead of its program: what it has copied out of the ring counts as taken. Rejects at the end of the channel.
   */
  flush(options?: WaitOptions): Promise<void> {
    return this.#sender.flush(abortOf(options, "the peer has not taken everything"));
  }

  /**
   * The messages as a Web Stream. The stream becomes the consumer of the lane with its first read. That read
   * fails with a ConsumerBusyError if the lane has a consumer already. The stream takes only messages that
   * were asked for.
   *
   * The stream closes when either side closes the channel, after what has arrived. It fails if the peer dies
   * or breaks the protocol, or if this side destroys the channel with an error. The property is always the
   * same object; after `cancel`, which leaves the lane open, it is a fresh one.
   */
  get readable(): LaneReadable<Receive> {
    this.#readable ??= readableOf(this.#core, () => {
      this.#readable = undefined;
    }) as LaneReadable<Receive>;
    return this.#readable;
  }

  /**
   * A Web Stream that sends what is written to it, and waits for room. Closing it waits until the peer has
   * taken everything. On the lane `main` it then closes the channel; other lanes stay open. Aborting it
   * destroys the channel with the reason (`main`), or only stops the stream (other lanes).
   *
   * The stream fails as soon as the channel has ended, with the reason. The property is always the same
   * object. It is a fresh one after the stream was closed or aborted, or has failed by a message that could
   * not be sent.
   */
  get writable(): LaneWritable<Send> {
    this.#writable ??= writableOf(this.#core, this.#endable(), () => {
      this.#writable = undefined;
    }) as LaneWritable<Send>;
    return this.#writable;
  }

  /**
   * A stream of bytes in both directions, like a socket: for `pipeline`, files, child processes, HTTP. The
   * codec must be `bytes()` (else InvalidArgumentError). The stream is the consumer of the lane until it is
   * destroyed (ConsumerBusyError if there is one already), and reads ahead from the beginning.
   *
   * A message of no bytes ends one direction. `end()` sends it, and "finish" comes when the peer has taken
   * everything. On the lane `main`, the channel is closed when both directions have ended. Destroying the
   * stream earlier destroys the channel. A peer that closes the channel without an end causes a ClosedError;
   * a peer that dies causes a PeerDiedError.
   */
  toDuplex(this: OfBytes, options: LaneDuplexOptions = {}): Duplex {
    const lane = this as unknown as Lane<Uint8Array, Uint8Array>;
    return duplexOf(lane.#core as unknown as LaneCore<Uint8Array, Uint8Array>, lane.#endable(), options);
  }

  /** Returns what the streams of this lane end: the channel on the lane `main`, else nothing. */
  #endable(): Endable | undefined {
    return this.name === MAIN_LANE ? (this as unknown as Endable) : undefined;
  }
}

const TIMEOUT_OPTIONS = ["timeout"];
const SEND_MANY_OPTIONS = ["signal", "timeout", "progress"];
const SEND_MANY_SYNC_OPTIONS = ["timeout", "progress"];

function timeoutOf(options: TimeoutOptions): number {
  checkOptions(options, TIMEOUT_OPTIONS, "options");
  return timeoutFrom(options);
}

/** Like `timeoutOf`, for options that contain others besides. */
function timeoutFrom(options: TimeoutOptions | undefined): number {
  if (options?.timeout === undefined) return Number.POSITIVE_INFINITY;
  return checkNumber(options.timeout, "options.timeout", 0, Number.POSITIVE_INFINITY);
}

/** Returns what counts the messages that have gone out, from 0. */
function counterOf(options: ProgressOptions | undefined): (count: number) => void {
  const progress = checkProgress(options?.progress, "options.progress");
  if (progress === undefined) return () => {};
  progress.sent = 0;
  return (count) => {
    progress.sent += count;
  };
}

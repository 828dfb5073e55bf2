import type { Block } from "./bulk/block.js";
import type { CloseReason } from "./ending.js";
import type { Cells } from "./transport/contract.js";
import type { Peer } from "./transport/handshake/peer.js";

/*
 * The waist between the channel and the layers above. Those layers use connections only through these types.
 * A lane, a channel and the ends of a memoryPair() are ports, and so is any other object that passes the
 * tests of test/port. The file has types only.
 */

export type { Block, Cells, CloseReason, Peer };

export interface SignalOptions {
  /** Gives up waiting when the signal is aborted, and rejects with its reason. A message that waits is taken back and was not sent. */
  readonly signal?: AbortSignal | undefined;
}

export interface TimeoutOptions {
  /** How long to wait, in ms. 0: not at all. Infinity (the default): until the call succeeds or the port ends. */
  readonly timeout?: number | undefined;
}

/** Limits of a wait. */
export interface WaitOptions extends SignalOptions {
  /**
   * How long to wait, in ms, 0 to Infinity (the default). Then the call rejects with a TimeoutError
   * (ERR_RINGBELL_TIMEOUT), and gives up as with `signal`. 0 waits for events that are there or come in this
   * turn of the event loop.
   */
  readonly timeout?: number | undefined;
}

/**
 * How far a call has come that sends many messages. The call sets `sent` to 0, and then counts each message that has gone
 * out. Messages go out in order, so these are the first ones. Read it at any time; after a failure it tells where to go on.
 */
export interface SendProgress {
  sent: number;
}

export interface ProgressOptions {
  /** An object of the caller's, such as `{ sent: 0 }`, in which the call counts the messages that have gone out. */
  readonly progress?: SendProgress | undefined;
}

export interface CloseOptions extends SignalOptions {
  /**
   * How long sends that wait for room may still take, in ms; then they fail. Default 5000. After that the
   * kernel has 5 s more to take what was sent.
   */
  readonly timeout?: number | undefined;
}

export interface CloseInfo {
  readonly reason: CloseReason;
  /** The error that ended the port; undefined for an end in order. */
  readonly error: Error | undefined;
}

/**
 * A sender of messages: a lane, a channel, or a port of which one direction is needed. A `Sender<Animal>` is
 * a `Sender<Dog>`.
 *
 * The members are properties, because TypeScript compares the parameters of methods both ways.
 */
export interface Sender<Message> {
  /** Sends the message if there is room. Otherwise returns false: nothing was queued, and `drain` comes when there is room again. */
  readonly trySend: (message: Message) => boolean;
  /** Sends the message as soon as there is room. Resolves when it is on its way. */
  readonly send: (message: Message, options?: WaitOptions) => Promise<void>;
  /** Resolves when the peer has taken all that was sent before, waiting sends included. Rejects at the end. */
  readonly flush: (options?: WaitOptions) => Promise<void>;
  on(event: "drain", listener: () => void): unknown;
  off(event: "drain", listener: () => void): unknown;
}

/** A receiver of messages: a lane, a channel, or a port of which one direction is needed. A `Receiver<Dog>` is a `Receiver<Animal>`. */
export interface Receiver<Message> extends AsyncIterable<Message> {
  /** Returns the next message. Rejects at the end, and if the message can't be decoded. */
  readonly receive: (options?: WaitOptions) => Promise<Message>;
  on(event: "message", listener: (message: Message) => unknown): unknown;
  off(event: "message", listener: (message: Message) => unknown): unknown;
}

/** The events of a port. */
export interface PortEvents<Receive> {
  /** A message has arrived. A port has one consumer at a time: one listener, one `for await`, or calls of `receive…`. */
  message: [message: Receive];
  /** There is room again, after `trySend` or `trySendMany` found none. */
  drain: [];
  /**
   * A message arrived that could not be decoded (DecodeError, ValidationError). It was skipped, and the port
   * lives on. Without a listener for this event, a process warning is emitted.
   */
  error: [error: Error];
  /**
   * The port has ended, and the listener for messages has got what had arrived. Comes once; a listener that
   * is added later gets it, too.
   */
  close: [reason: CloseReason, error: Error | undefined];
}

/** Typed messages in both directions, in order, each exactly once, between two parties. Each party can end the port. */
export interface Port<Send = unknown, Receive = Send> extends Sender<Send>, Receiver<Receive> {
  /** The most bytes in flight, each way. */
  readonly capacity: number;
  /** `open`; `closing` while `close` waits for sends; `closed`. */
  readonly state: "open" | "closing" | "closed";
  /** Resolves when the port has ended, with the reason. Never rejects. */
  readonly closed: Promise<CloseInfo>;
  readonly peer: Peer;
  /** Returns a block of memory to fill and send. Waits, in order, for room under the limit of all blocks. */
  allocate(bytes: number, options?: WaitOptions): Promise<Block>;
  /** Like `allocate`, but returns undefined if there is no room now. */
  tryAllocate(bytes: number): Block | undefined;
  /** Ends the port in order: what was sent arrives first. Resolves when nothing is left to do. */
  close(options?: CloseOptions): Promise<void>;
  /** Ends the port at once. Waiting sends fail, with the error if one is given. */
  destroy(error?: Error): void;
  /** Makes the port keep the process alive again, after `unref`. */
  ref(): unknown;
  /** Lets the process end while the port is open. */
  unref(): unknown;
  on(event: "message", listener: (message: Receive) => unknown): unknown;
  on(event: "drain", listener: () => unknown): unknown;
  on(event: "error", listener: (error: Error) => unknown): unknown;
  on(event: "close", listener: (reason: CloseReason, error: Error | undefined) => unknown): unknown;
  off(event: "message", listener: (message: Receive) => unknown): unknown;
  off(event: "drain", listener: () => unknown): unknown;
  off(event: "error", listener: (error: Error) => unknown): unknown;
  off(event: "close", listener: (reason: CloseReason, error: Error | undefined) => unknown): unknown;
  /** A port beside this one with the same end, which data can't hold up; undefined without one. */
  readonly control?: Port | undefined;
  /** The cells, if both sides have memory in common. */
  readonly cells?: Cells | undefined;
}

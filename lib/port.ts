import type { Block } from "./bulk/block.js";
import type { CloseReason } from "./ending.js";
import type { Peer } from "./transport/handshake/peer.js";

/*
 * The waist: what the floors above need of a connection, and all that they may know of it. Types only. A lane, a channel and the ends of a
 * memoryPair() are ports; so is whatever else keeps the promises that test/port has tests for.
 */

export type { Block, CloseReason, Peer };

export interface SignalOptions {
  /**
   * Gives up waiting when the signal is aborted, and rejects with its reason. A message that waits is taken
   * back and was not sent.
   */
  readonly signal?: AbortSignal | undefined;
}

export interface TimeoutOptions {
  /** How long to wait, in ms; 0: not at all; Infinity (the default): until it works or the port ends. */
  readonly timeout?: number | undefined;
}

/** Limits of a wait. */
export interface WaitOptions extends SignalOptions {
  /**
   * How long to wait, in ms, 0 to Infinity (the default). Then it gives up, as by `signal`: rejects with a TimeoutError
   * (ERR_RINGBELL_TIMEOUT). 0 waits for what is there or comes in this turn of the event loop.
   */
  readonly timeout?: number | undefined;
}

export interface CloseOptions extends SignalOptions {
  /** How long sends that wait for room may still take, in ms; then they fail. Default 5000. What the kernel does not take has 5 s more. */
  readonly timeout?: number | undefined;
}

export interface CloseInfo {
  readonly reason: CloseReason;
  /** What went wrong, where something did. */
  readonly error: Error | undefined;
}

/**
 * What sends messages: a lane, a channel, or a port of which one direction is needed. A `Sender<Animal>` is a `Sender<Dog>`.
 *
 * The members are properties, because TypeScript compares the parameters of methods both ways.
 */
export interface Sender<Message> {
  /**
   * Sends the message if there is room. Otherwise returns false: nothing was queued, and `drain` comes when
   * there is room again.
   */
  readonly trySend: (message: Message) => boolean;
  /** Sends the message as soon as there is room. Resolves when it is on its way. */
  readonly send: (message: Message, options?: WaitOptions) => Promise<void>;
  /** Resolves when the peer has taken all that was sent before, waiting sends included. Rejects at the end. */
  readonly flush: (options?: WaitOptions) => Promise<void>;
  on(event: "drain", listener: () => void): unknown;
  off(event: "drain", listener: () => void): unknown;
}

/** What receives messages: a lane, a channel, or a port of which one direction is needed. A `Receiver<Dog>` is a `Receiver<Animal>`. */
export interface Receiver<Message> extends AsyncIterable<Message> {
  /** The next message. Rejects at the end, and if the message can't be decoded. */
  readonly receive: (options?: WaitOptions) => Promise<Message>;
  on(event: "message", listener: (message: Message) => unknown): unknown;
  off(event: "message", listener: (message: Message) => unknown): unknown;
}

/** The events of a port. */
export interface PortEvents<Receive> {
  /** A message. A port has one consumer at a time: one listener, or one `for await`, or calls of `receive…`. */
  message: [message: Receive];
  /** After `trySend` or `trySendMany` found no room: there is room again. */
  drain: [];
  /**
   * A message arrived that is none (DecodeError, ValidationError); it was skipped, and the port lives on. With
   * no listener for this event, it is a process warning.
   */
  error: [error: Error];
  /** The port has ended, and what had arrived was given to the listener for messages. Comes once, also to a listener that comes later. */
  close: [reason: CloseReason, error: Error | undefined];
}

/** Words that both sides of a connection see: what one sets, the other reads at once, while its event loop is busy, too. */
export interface Cells {
  /** How many each side has. */
  readonly length: number;
  /** Sets a cell of this side, for the peer to read: a 32-bit unsigned integer. */
  set(index: number, value: number): void;
  /** What stands in a cell of the peer; 0 at first. */
  get(index: number): number;
}

/** Typed messages in both directions, in order, each exactly once, between two parties of which each can end it. */
export interface Port<Send = unknown, Receive = Send> extends Sender<Send>, Receiver<Receive> {
  /** Bytes in flight at most, each way. */
  readonly capacity: number;
  /** `open`; `closing` while `close` waits for sends; `closed`. */
  readonly state: "open" | "closing" | "closed";
  /** Resolves when the port has ended, with the reason. Never rejects. */
  readonly closed: Promise<CloseInfo>;
  readonly peer: Peer;
  /** A block of memory to fill and send. Waits for room under the limit of all blocks, in order. */
  allocate(bytes: number, options?: WaitOptions): Promise<Block>;
  /** As `allocate`; undefined where there is no room now. */
  tryAllocate(bytes: number): Block | undefined;
  /** Ends it in order: what was sent arrives first. Resolves when nothing is left to do. */
  close(options?: CloseOptions): Promise<void>;
  /** Ends it at once: waiting sends fail, with the error if one is given. */
  destroy(error?: Error): void;
  /** Lets the port keep the process alive again. */
  ref(): unknown;
  /** Lets the process end although the port is open. */
  unref(): unknown;
  on(event: "message", listener: (message: Receive) => unknown): unknown;
  on(event: "drain", listener: () => unknown): unknown;
  on(event: "error", listener: (error: Error) => unknown): unknown;
  on(event: "close", listener: (reason: CloseReason, error: Error | undefined) => unknown): unknown;
  off(event: "message", listener: (message: Receive) => unknown): unknown;
  off(event: "drain", listener: () => unknown): unknown;
  off(event: "error", listener: (error: Error) => unknown): unknown;
  off(event: "close", listener: (reason: CloseReason, error: Error | undefined) => unknown): unknown;
  /** A port beside this one that data can't hold up, with the same end, where there is one. */
  readonly control?: Port | undefined;
  /** Where both sides have memory in common. */
  readonly cells?: Cells | undefined;
}

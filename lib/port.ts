/**
 * The waist: what the floors above need of a connection, and all that they may know of it. Types only. Lanes and channels are ports.
 */

export interface SignalOptions {
  /** Gives up waiting when it is aborted: rejects with its reason. What waits is taken back, and was not sent. */
  readonly signal?: AbortSignal | undefined;
}

/** Limits of a wait. */
export interface WaitOptions extends SignalOptions {
  /**
   * How long to wait, in ms, 0 to Infinity (the default). Then it gives up, as by `signal`: rejects with a TimeoutError
   * (ERR_RINGBELL_TIMEOUT). 0 waits for what is there or comes in this turn of the event loop.
   */
  readonly timeout?: number | undefined;
}

/**
 * What sends messages: a Lane, a Channel, or a Port of which one direction is needed. A `Sender<Animal>` is a `Sender<Dog>`.
 *
 * The members are properties, for TypeScript compares the parameters of methods both ways.
 */
export interface Sender<Message> {
  /** Sends the message if there is room; else returns false, nothing was queued, and `drain` comes when there is room again. */
  readonly trySend: (message: Message) => boolean;
  /** Sends the message as soon as there is room. Resolves when it is on its way. */
  readonly send: (message: Message, options?: WaitOptions) => Promise<void>;
  /** Resolves when the peer has taken all that was sent before, waiting sends included. Rejects at the end. */
  readonly flush: (options?: WaitOptions) => Promise<void>;
  on(event: "drain", listener: () => void): unknown;
  off(event: "drain", listener: () => void): unknown;
}

/** What receives messages: a Lane, a Channel, or a Port of which one direction is needed. A `Receiver<Dog>` is a `Receiver<Animal>`. */
export interface Receiver<Message> extends AsyncIterable<Message> {
  /** The next message. Rejects at the end, and if the message can't be decoded. */
  readonly receive: (options?: WaitOptions) => Promise<Message>;
  on(event: "message", listener: (message: Message) => unknown): unknown;
  off(event: "message", listener: (message: Message) => unknown): unknown;
}

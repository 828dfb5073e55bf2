/**
 * The waist between the channel and the layers above. Those layers use connections only through these types.
 * Lanes and channels are ports. The file has types only.
 */

/** Limits of a wait for something that the peer must do. */
export interface SignalOptions {
  /**
   * Gives up waiting when the signal is aborted, and rejects with its reason. A message that waits is taken
   * back and was not sent.
   */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A sender of messages: a Lane, a Channel, or a Port of which one direction is needed. A `Sender<Animal>` is
 * a `Sender<Dog>`.
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
  readonly send: (message: Message, options?: SignalOptions) => Promise<void>;
  /** Resolves when the peer has taken all that was sent before, waiting sends included. Rejects at the end. */
  readonly flush: (options?: SignalOptions) => Promise<void>;
  on(event: "drain", listener: () => void): unknown;
  off(event: "drain", listener: () => void): unknown;
}

/**
 * A receiver of messages: a Lane, a Channel, or a Port of which one direction is needed. A `Receiver<Dog>` is
 * a `Receiver<Animal>`.
 */
export interface Receiver<Message> extends AsyncIterable<Message> {
  /** Returns the next message. Rejects at the end, and if the message can't be decoded. */
  readonly receive: (options?: SignalOptions) => Promise<Message>;
  on(event: "message", listener: (message: Message) => unknown): unknown;
  off(event: "message", listener: (message: Message) => unknown): unknown;
}

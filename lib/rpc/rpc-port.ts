import type { Cells, CloseInfo, CloseOptions, Peer } from "../port.js";

/**
 * What calls need of a port: messages that are JSON values, in order, and an end. Channels, lanes, memory pairs, and what
 * `duplexPort` and `messagePort` make are such ports.
 *
 * The ways to send are properties, because TypeScript compares the parameters of methods both ways: a channel that carries other messages
 * is no such port.
 */
export interface RpcPort {
  /** Sends if there is room, and returns whether it did. */
  readonly trySend: (message: unknown) => boolean;
  readonly send: (message: unknown) => Promise<void>;
  /** Resolves when the port has ended. Never rejects. */
  readonly closed: Promise<CloseInfo>;
  readonly peer?: Peer | undefined;
  /** A port with the same end that data on this one does not hold up. */
  readonly control?: RpcPort | undefined;
  /** Words that both sides see, for cancels that a busy event loop does not hold up. Nobody else may use them. */
  readonly cells?: Cells | undefined;
  close(options?: CloseOptions): Promise<void>;
  destroy(error?: Error): void;
  on(event: "message", listener: (message: unknown) => unknown): unknown;
  on(event: "error", listener: (error: Error) => unknown): unknown;
  /**
   * Whether the peer has to wait while there is no listener for messages. Default: whether there is an `off`. A peer that floods can't be
   * made to wait otherwise.
   */
  readonly pauses?: boolean | undefined;
  /** Resolves when nothing more will come, though answers can still be sent. Never rejects. Undefined if both always end together. */
  readonly readingEnded?: Promise<void> | undefined;
  /** Stops giving messages to the listener; they wait until it is added again. */
  off?(event: "message", listener: (message: unknown) => unknown): unknown;
}

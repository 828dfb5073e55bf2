import type { Cells, CloseInfo, CloseOptions, Peer } from "../port.js";

/**
 * What calls need of a port: messages that are JSON values, in order, and an end. Channels, lanes, memory pairs, and what
 * `duplexPort` and `messagePort` make are such ports.
 */
export interface RpcPort {
  /** Sends if there is room, and returns whether it did. */
  trySend(message: unknown): boolean;
  send(message: unknown): Promise<void>;
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
  /** Stops giving messages to the listener; they wait until it is added again. A port without it can't make a peer wait that floods. */
  off?(event: "message", listener: (message: unknown) => unknown): unknown;
}

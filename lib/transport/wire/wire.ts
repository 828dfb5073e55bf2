import type { Socket } from "node:net";
import type { Credentials } from "../../native/binding.js";

export interface WireHandler {
  /** Called when bytes have arrived. The chunk is overwritten after the call. */
  onData(chunk: Uint8Array): void;
  /** Called when the kernel has all that was written. */
  onDrain(): void;
  /** Called once, when the other side hung up (no error) or the socket failed. */
  onEnd(error: Error | undefined): void;
}

/**
 * A connected Unix socket, before and below a transport: by the addon if it is loaded, else by node:net. A
 * new wire reads nothing until it gets its handler. A transport that takes over from the handshake replaces
 * the handler.
 */
export interface Wire {
  /** The peer as the kernel names it; undefined without the addon. */
  readonly credentials: Credentials | undefined;
  /** Whether this is the addon's wire: it passes descriptors, and its own can be taken over. */
  readonly native: boolean;
  /** The bytes that were written and that the kernel has not taken. */
  readonly buffered: number;
  /** Sets the handler; `undefined` stops reading. Bytes handed to `unread` come first, asynchronously. */
  setHandler(handler: WireHandler | undefined): void;
  /** Puts back bytes that belong to the next handler. They come first when that handler is set. */
  unread(bytes: Uint8Array): void;
  /** Writes all of the bytes, at once or as the kernel takes them. `descriptor` is passed along (native only). Ignored once ended. */
  write(bytes: Uint8Array, descriptor?: number): void;
  /** Returns the descriptor that came with the last data, or undefined. The caller owns it. A descriptor that is not taken is closed. */
  takeDescriptor(): number | undefined;
  /**
   * Writes and reads what is possible now, and calls the handler. For a thread whose event loop does not run.
   * Has no effect without the addon.
   */
  poll(): void;
  /**
   * Gives up the descriptor without closing it: the caller owns it, and the wire is dead. Bytes that were
   * `unread` are lost. Native only.
   */
  detach(): number;
  /** Gives up the connection to a socket of Node's, which may be half open: the wire is dead. Bytes that were `unread` are lost. */
  toSocket(): Socket;
  ref(): void;
  unref(): void;
  /** Closes when the kernel has what was written (`destroy`: at once). Calls no handler any more. */
  end(): Promise<void>;
  destroy(): void;
}

import type { Credentials } from "../../native/binding.js";

export interface WireHandler {
  /** Bytes arrived. The chunk is overwritten after the call. */
  onData(chunk: Uint8Array): void;
  /** All that was written is with the kernel. */
  onDrain(): void;
  /** The other side hung up (no error), or the socket failed. Called once. */
  onEnd(error: Error | undefined): void;
}

/**
 * A connected Unix socket, before and below a transport: by the addon where there is one, else by node:net.
 * A new wire is quiet until it gets its handler; handing it from the handshake to a transport replaces the handler.
 */
export interface Wire {
  /** The peer as the kernel names it; undefined without the addon. */
  readonly credentials: Credentials | undefined;
  /** Whether descriptors can be passed, and the descriptor can be taken over (the addon's wire). */
  readonly native: boolean;
  /** Bytes written that the kernel has not taken. */
  readonly buffered: number;
  /** Sets who is told; `undefined` stops reading. Bytes handed to `unread` come first, asynchronously. */
  setHandler(handler: WireHandler | undefined): void;
  /** Puts bytes back that were read too far; they come first when the next handler is set. */
  unread(bytes: Uint8Array): void;
  /** Writes all of it, at once or as the kernel takes it. With a descriptor to pass along (native only). Ignored once ended. */
  write(bytes: Uint8Array, descriptor?: number): void;
  /** The descriptor that came with the data read last; the caller owns it. Undefined if none. Those not taken are closed. */
  takeDescriptor(): number | undefined;
  /** Writes and reads what is possible now, calling the handler: for a thread that does not come to its event loop. Of no effect without the addon. */
  poll(): void;
  /** Gives up the descriptor without closing it: the caller owns it, the wire is dead. Native only. What was `unread` is lost. */
  detach(): number;
  ref(): void;
  unref(): void;
  /** Closes once what was written is with the kernel (`destroy`: at once). Calls no handler any more. */
  end(): Promise<void>;
  destroy(): void;
}

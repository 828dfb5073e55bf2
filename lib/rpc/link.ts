import type { RpcPort } from "./rpc-port.js";

/** The sending side of a connection, as calls use it. */
export class Link {
  readonly port: RpcPort;
  /** Cancels, credits and pings go here. They are not held up by data. */
  readonly #control: RpcPort;
  /** Why the connection has ended; undefined while it is open. */
  ended: { readonly error: Error | undefined } | undefined;

  constructor(port: RpcPort) {
    this.port = port;
    this.#control = port.control ?? port;
  }

  /**
   * Sends a message. Returns a promise if it waits for room. Throws, or rejects, if the message can't be encoded or the port
   * has ended.
   */
  post(message: object): Promise<void> | undefined {
    return this.port.trySend(message) ? undefined : this.port.send(message);
  }

  /** Sends a message about a call, which nobody waits for. If the port has ended, so has the call. */
  tell(message: object): void {
    try {
      if (!this.#control.trySend(message)) this.#control.send(message).catch(() => {});
    } catch {
      // The end of the port is told to all calls.
    }
  }
}

import type { Port } from "../port.js";
import { Emitter, type Event } from "./emitter.js";
import type { JsonrpcMessage, PendingRequests } from "./messages.js";

/** A `MessageWriter` of vscode-jsonrpc, over a port. */
export class PortWriter {
  readonly onError: Event<[Error, JsonrpcMessage | undefined, number | undefined]>;
  readonly onClose: Event<void>;
  readonly #errors = new Emitter<[Error, JsonrpcMessage | undefined, number | undefined]>();
  readonly #closes = new Emitter<void>();
  readonly #port: Port<unknown, unknown>;
  readonly #pending: PendingRequests;
  #errorCount = 0;

  /** Made by `jsonrpcTransport`. */
  constructor(port: Port<unknown, unknown>, pending: PendingRequests) {
    this.#port = port;
    this.#pending = pending;
    this.onError = this.#errors.event;
    this.onClose = this.#closes.event;
    void port.closed.then(() => this.#closes.fire());
  }

  /** Resolves when the message is on its way. Rejects, and tells `onError`, when it can't be sent. */
  async write(message: JsonrpcMessage): Promise<void> {
    try {
      await this.#port.send(message);
      this.#errorCount = 0;
    } catch (error) {
      this.#errors.fire([error as Error, message, ++this.#errorCount]);
      throw error;
    }
    this.#pending.sent(message);
  }

  /** Closes the port: what was written arrives. */
  end(): void {
    void this.#port.close();
  }

  /** Closes the port, and forgets all listeners. */
  dispose(): void {
    this.#errors.dispose();
    this.#closes.dispose();
    this.end();
  }
}

import { ConsumerBusyError } from "../errors.js";
import type { Port } from "../port.js";
import { type Disposable, Emitter, type Event } from "./emitter.js";
import type { JsonrpcMessage, PendingRequests } from "./messages.js";

/** A `MessageReader` of vscode-jsonrpc, over a port. */
export class PortReader {
  readonly onError: Event<Error>;
  readonly onClose: Event<void>;
  /** Never fires: messages come whole. */
  readonly onPartialMessage: Event<{ readonly messageToken: number; readonly waitingTime: number }>;
  readonly #errors = new Emitter<Error>();
  readonly #closes = new Emitter<void>();
  readonly #port: Port<unknown, unknown>;
  readonly #pending: PendingRequests;
  #callback: ((message: JsonrpcMessage) => void) | undefined;
  #isReading = false;

  /** Made by `jsonrpcTransport`. */
  constructor(port: Port<unknown, unknown>, pending: PendingRequests) {
    this.#port = port;
    this.#pending = pending;
    this.onError = this.#errors.event;
    this.onClose = this.#closes.event;
    this.onPartialMessage = new Emitter<{ messageToken: number; waitingTime: number }>().event;
    port.on("error", (error) => this.#errors.fire(error));
  }

  /** Begins to read. `callback` gets each message. A connection calls it once. */
  listen(callback: (message: JsonrpcMessage) => void): Disposable {
    if (this.#isReading) throw new ConsumerBusyError("the reader belongs to a connection already");
    this.#isReading = true;
    this.#callback = callback;
    void this.#run();
    return { dispose: () => this.#stop() };
  }

  /** Forgets all listeners, and the callback. The writer closes the port. */
  dispose(): void {
    this.#stop();
    this.#errors.dispose();
    this.#closes.dispose();
  }

  #stop(): void {
    this.#callback = undefined;
  }

  async #run(): Promise<void> {
    try {
      for await (const message of this.#port) {
        this.#pending.received(message);
        this.#give(message as JsonrpcMessage);
      }
    } catch (error) {
      // The end of the port is told below. Otherwise somebody else reads from it.
      if (this.#port.state === "open") this.#port.destroy(error as Error);
    }
    const { reason, error } = await this.#port.closed;
    // A connection of vscode-jsonrpc keeps requests waiting for ever when its reader closes.
    for (const answer of this.#pending.rejections(error?.message ?? `the connection has ended: ${reason}`)) {
      this.#give(answer);
    }
    if (error !== undefined) this.#errors.fire(error);
    this.#closes.fire();
  }

  #give(message: JsonrpcMessage): void {
    try {
      this.#callback?.(message);
    } catch (error) {
      this.#errors.fire(error as Error);
    }
  }
}

import { checkFunction } from "../check.js";
import { EncodeError } from "../errors.js";
import { EventPort } from "./event-port.js";

/** A MessagePort of node:worker_threads or of the web, a Worker, or what looks like one. */
export interface MessagePortLike {
  postMessage(message: unknown): void;
  // biome-ignore lint/suspicious/noExplicitAny: each has overloads of its own.
  on?(event: string, listener: (value: any) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: the same.
  addEventListener?(event: string, listener: (event: any) => void): unknown;
  start?(): void;
  close?(): void;
}

/** Makes a port of a MessagePort. Messages are cloned by V8. There is no backpressure: such a port takes whatever it is given. */
export function messagePort(port: MessagePortLike): EventPort {
  checkFunction(port?.postMessage, "port.postMessage");
  return new MessagePortPort(port);
}

class MessagePortPort extends EventPort {
  readonly #port: MessagePortLike;

  constructor(port: MessagePortLike) {
    super();
    this.#port = port;
    const ended = () => this.over("peer-closed");
    if (port.on !== undefined) {
      port.on("message", (message: unknown) => this.deliver(message));
      port.on("messageerror", (error: Error) => this.bad(error));
      // Of a worker; the error that ended it comes before.
      port.on("error", (error: Error) => this.over("peer-died", error));
      port.on("exit", ended);
      port.on("close", ended);
    } else {
      port.addEventListener?.("message", ({ data }: { data: unknown }) => this.deliver(data));
      port.addEventListener?.("close", ended);
      port.start?.();
    }
  }

  trySend(message: unknown): boolean {
    this.mustBeOpen();
    try {
      this.#port.postMessage(message);
    } catch (cause) {
      throw new EncodeError(cause instanceof Error ? cause.message : String(cause), "", { cause });
    }
    return true;
  }

  async send(message: unknown): Promise<void> {
    this.trySend(message);
  }

  async close(): Promise<void> {
    this.destroy();
  }

  destroy(error?: Error): void {
    this.#port.close?.();
    this.over("ended", error);
  }
}

import { checkInteger } from "../check.js";
import { delay } from "../clock.js";
import { DecodeError, InvalidArgumentError } from "../errors.js";
import { EventPort, textOf } from "./event-port.js";

/** A WebSocket of the web, of Node, or of the package ws. */
export interface WebSocketLike {
  send(text: string): void;
  close(): void;
  readonly readyState: number;
  readonly bufferedAmount: number;
  // biome-ignore lint/suspicious/noExplicitAny: each has types of events of its own.
  addEventListener(event: "message" | "close" | "error", listener: (event: any) => void): unknown;
}

export interface WebSocketPortOptions {
  /** The bytes that the socket may hold unsent before sends wait, 0 to 1 GiB. Default 1 MiB. */
  readonly maxBufferedBytes?: number | undefined;
}

const OPEN = 1;
/** How often (ms) a socket is asked whether it takes more. It has no event for that. */
const LOOK_AGAIN = 5;

/** Makes a port of an open WebSocket. Messages are JSON in text frames. Blocks can't be sent. */
export function webSocketPort(socket: WebSocketLike, options: WebSocketPortOptions = {}): EventPort {
  if (socket?.readyState !== OPEN) throw new InvalidArgumentError("socket", "an open WebSocket", socket);
  const { maxBufferedBytes = 1024 * 1024 } = options;
  return new WebSocketPort(socket, checkInteger(maxBufferedBytes, "options.maxBufferedBytes", 0, 1024 ** 3));
}

class WebSocketPort extends EventPort {
  readonly #socket: WebSocketLike;
  readonly #most: number;
  /** The last send that waits. */
  #last: Promise<void> | undefined;

  constructor(socket: WebSocketLike, most: number) {
    super();
    this.#socket = socket;
    this.#most = most;
    socket.addEventListener("message", ({ data }: { data: unknown }) => this.#read(data));
    socket.addEventListener("close", () => this.over("peer-closed"));
    socket.addEventListener("error", ({ error }: { error?: Error }) => this.over("peer-died", error));
  }

  trySend(message: unknown): boolean {
    this.mustBeOpen();
    if (this.#last !== undefined || this.#socket.bufferedAmount > this.#most) return false;
    this.#socket.send(textOf(message));
    return true;
  }

  async send(message: unknown): Promise<void> {
    if (this.trySend(message)) return;
    // The text is made now: the program may change the message meanwhile.
    const text = textOf(message);
    const before = this.#last?.catch(() => {});
    const turn = this.#sendLater(text, before);
    this.#last = turn;
    try {
      await turn;
    } finally {
      if (this.#last === turn) this.#last = undefined;
    }
  }

  async close(): Promise<void> {
    await this.#last?.catch(() => {});
    this.destroy();
  }

  destroy(error?: Error): void {
    this.over("ended", error);
    this.#socket.close();
  }

  async #sendLater(text: string, before: Promise<void> | undefined): Promise<void> {
    await before;
    while (this.#socket.bufferedAmount > this.#most && !this.isOver) await delay(LOOK_AGAIN);
    this.mustBeOpen();
    this.#socket.send(text);
  }

  #read(data: unknown): void {
    if (typeof data === "string") this.deliverText(data);
    else this.bad(new DecodeError("a binary frame came; messages are text", ""));
  }
}

import { ConsumerBusyError } from "../errors.js";
import type { CloseInfo, Peer, Port } from "../port.js";
import { type BlockCourier, courier } from "./blocks.js";
import type { McpMessage } from "./message.js";

/** How long (ms) `close` waits for messages that have found no room: a peer that reads nothing must not hold it up. */
const CLOSE_TIMEOUT = 1000;

export interface McpTransportOptions {
  /**
   * Announces to the peer that content made by `binary()` may come in blocks of shared memory; read it by `bytesOf()`. Without it, and from
   * peers that have not announced it, such content goes as base64. Default false.
   */
  readonly blocks?: boolean | undefined;
}

/**
 * A transport for the clients and servers of the MCP SDKs (1.x, and the client and server packages 2.x), over a channel.
 *
 * It has no `sessionId`: with one, the SDK's client would take the connection for an old one, and skip its handshake.
 */
export class McpTransport {
  /** Called once, when the connection has ended and all messages that had arrived were given to `onmessage`. The SDK sets it. */
  onclose?: (() => void) | undefined;
  /** Called with what went wrong; before `onclose`, with why the connection was lost. The SDK sets it. */
  onerror?: ((error: Error) => void) | undefined;
  /** Called with each message. The SDK sets it. */
  onmessage?: ((message: McpMessage) => void) | undefined;

  readonly #port: Port<unknown, unknown>;
  readonly #courier: BlockCourier;
  #running: Promise<void> | undefined;
  #finished = false;

  /** Made by `mcpTransport`. */
  constructor(port: Port<unknown, unknown>, { blocks = false }: McpTransportOptions) {
    this.#port = port;
    this.#courier = courier(port, blocks);
  }

  /** The process at the other end. */
  get peer(): Peer {
    return this.#port.peer;
  }

  /** Begins to read. The SDK calls it. */
  async start(): Promise<void> {
    if (this.#running !== undefined) {
      throw new ConsumerBusyError(
        "the transport was started before: it belongs to the client or server that did",
      );
    }
    this.#port.on("error", (error) => this.onerror?.(error));
    this.#running = this.#run();
  }

  /** Resolves when the message is on its way. Rejects when the connection has ended, or ends while the message waits for room. */
  async send(message: McpMessage): Promise<void> {
    const parcel = this.#courier.pack(message);
    try {
      await this.#port.send(parcel);
    } catch (error) {
      this.#courier.discard(parcel);
      throw error;
    }
  }

  /** Ends the connection, and resolves after `onclose`. */
  async close(): Promise<void> {
    await this.#port.close({ timeout: CLOSE_TIMEOUT });
    if (this.#running === undefined) this.#finish(await this.#port.closed);
    else await this.#running;
  }

  /**
   * Takes messages by a loop. Between two of them microtasks run, which the SDK needs: it hands a notification on in a microtask, but an
   * answer at once, and an answer ends the reports of its call. By a listener that gets a whole batch, the last reports would be lost.
   */
  async #run(): Promise<void> {
    try {
      for await (const message of this.#port) {
        this.#courier.unpack(message);
        this.#give(message);
      }
    } catch (error) {
      // The end of the port is told below. Otherwise somebody else reads from it, and this transport has nothing.
      if (this.#port.state === "open") this.#port.destroy(error as Error);
    }
    this.#finish(await this.#port.closed);
  }

  #give(message: unknown): void {
    try {
      this.onmessage?.(message as McpMessage);
    } catch (error) {
      this.onerror?.(error as Error);
    }
  }

  #finish({ error }: CloseInfo): void {
    if (this.#finished) return;
    this.#finished = true;
    if (error !== undefined) this.onerror?.(error);
    this.onclose?.();
  }
}

/**
 * Makes a transport for an MCP client or server of a channel, a lane, or another port with the codec `json()`. Nobody else may read from
 * the port. The transport closes it.
 */
export function mcpTransport(port: object, options: McpTransportOptions = {}): McpTransport {
  return new McpTransport(port as Port<unknown, unknown>, options);
}

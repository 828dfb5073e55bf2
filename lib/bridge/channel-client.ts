import { DecodeError, InvalidArgumentError } from "../errors.js";
import { CallError, INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND } from "../rpc/errors.js";
import { type Fields, shown } from "../rpc/form.js";
import { NOT_ALLOWED } from "../session/errors.js";
import { CLOSE } from "./errors.js";
import type { Checked } from "./guard.js";
import type { Identity } from "./identity.js";
import { type OpenChannel, SEND, type TextPort } from "./options.js";
import { type ClientHost, SocketClient } from "./socket-client.js";
import type { WebSocket } from "./web-socket.js";

/**
 * A client that is joined to a channel of its own. Each ends with the other. What the client has not acknowledged fills its window, then the
 * ring, and then the sender waits; nothing is kept in between.
 */
export class ChannelClient extends SocketClient {
  readonly #open: OpenChannel;
  #port: TextPort | undefined;
  #room: (() => void) | undefined;
  /** Messages of the client that the channel has not taken. */
  #waiting = 0;

  constructor(
    open: OpenChannel,
    ...rest: [socket: WebSocket, host: ClientHost, address: string, token: string | undefined]
  ) {
    super(...rest);
    this.#open = open;
  }

  protected async admit(_params: Fields, { name, role }: Identity): Promise<object> {
    this.client = name;
    try {
      this.#port = await this.#open({ name, role, address: this.address });
    } catch (error) {
      // The page does not get the error's text, which may name files.
      process.emitWarning(error as Error);
      this.end(CLOSE.full, "the channel is not there");
      throw new CallError(INTERNAL_ERROR, "the channel is not there");
    }
    return {};
  }

  protected begin(): void {
    void this.#passOn(this.#port!);
  }

  async #passOn(port: TextPort): Promise<void> {
    try {
      for await (const text of port) {
        const bytes = Buffer.from(
          `{"jsonrpc":"2.0","method":"message","params":{"message":${checked(text)}}}`,
        );
        while (!this.ended && !this.sendData(bytes)) {
          await new Promise<void>((resolve) => {
            this.#room = resolve;
          });
        }
        if (this.ended) break;
      }
    } catch (error) {
      if (!this.ended) process.emitWarning(error as Error);
    }
    this.end(1001, "the channel has ended");
    await port.close();
  }

  protected dispatch(message: Checked): void {
    if (this.common(message)) return;
    const { id, method, params } = message;
    if (method !== "message") {
      this.wrong("no such method", method);
      this.refuse(id, METHOD_NOT_FOUND, `no method ${shown(method)}`);
    } else if (!this.rights.includes(SEND)) {
      this.wrong(`the role ${this.role} may not send`, method);
      this.refuse(id, NOT_ALLOWED, `the role ${shown(this.role)} may not send`);
    } else if (!("message" in params)) {
      this.wrong("params must have a message", method);
      this.refuse(id, INVALID_PARAMS, "params must have a message");
    } else void this.#send(id, JSON.stringify(params.message));
  }

  /** Sends a message. A request is answered when the channel has it; while many wait, the client is not read. */
  async #send(id: string | number | undefined, text: string): Promise<void> {
    const { maxInputs } = this.host.settings.limits;
    if (++this.#waiting >= maxInputs) this.socket.pause();
    try {
      await this.#port!.send(text);
      if (id !== undefined) this.answer({ jsonrpc: "2.0", id, result: null });
    } catch (error) {
      this.refuse(id, INTERNAL_ERROR, `the channel has not taken it: ${(error as Error).name}`);
    } finally {
      if (--this.#waiting < maxInputs) this.socket.resume();
    }
  }

  protected acknowledged(): void {
    this.#room?.();
  }

  protected watch(): void {}

  protected left(): void {
    this.#room?.();
    void this.#port?.close();
  }
}

/** A text of the channel becomes a part of a message, so it must be JSON, and nothing behind it. */
function checked(text: unknown): string {
  if (typeof text !== "string")
    throw new InvalidArgumentError("the channel", "one with the codec text()", text);
  try {
    JSON.parse(text);
  } catch (cause) {
    throw new DecodeError("a message of the channel is not JSON", "", { cause });
  }
  return text;
}

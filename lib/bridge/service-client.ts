import { delay } from "../clock.js";
import { BUSY, CallError, INVALID_PARAMS, INVALID_REQUEST } from "../rpc/errors.js";
import { EventPort, textOf } from "../rpc/event-port.js";
import { type Fields, shown } from "../rpc/form.js";
import { CANCEL, CREDIT, INPUT, INPUT_END, PING } from "../rpc/message.js";
import type { Service } from "../rpc/service.js";
import { NOT_ALLOWED, NOT_AUDITED } from "../session/errors.js";
import type { Checked } from "./guard.js";
import type { Identity } from "./identity.js";
import { type ClientHost, SocketClient } from "./socket-client.js";
import type { WebSocket } from "./web-socket.js";

/** Notifications that a caller may send about its calls. They name a call by its id, and can't begin one. */
const ABOUT_CALLS = [CANCEL, CREDIT, INPUT, INPUT_END];
/** How often a socket that is full is asked whether it takes more, in ms. It has no event for that. */
const LOOK_AGAIN = 5;

/** A client that calls a service. The service gets no call that its role does not allow. */
export class ServiceClient extends SocketClient {
  protected override readonly extensions = ["timeout", "credit", "input"];
  readonly #service: Service;
  readonly #port: CallsPort;

  constructor(
    service: Service,
    ...rest: [socket: WebSocket, host: ClientHost, address: string, token: string | undefined]
  ) {
    super(...rest);
    this.#service = service;
    this.#port = new CallsPort(this);
  }

  /** Whether so much waits for it that it should take some first. */
  get isFull(): boolean {
    return this.socket.bufferedAmount > this.host.settings.limits.maxBufferedBytes / 2;
  }

  get ceiling(): number {
    return this.host.settings.limits.maxBufferedBytes;
  }

  post(text: string): void {
    this.sendText(text);
  }

  cutOff(): void {
    this.host.refused(this, "the client takes no answers", undefined);
    this.terminate();
  }

  protected admit({ client = "page" }: Fields, { name }: Identity): object {
    if (typeof client !== "string" || !/^[\w.-]{1,64}$/.test(client))
      throw new CallError(INVALID_PARAMS, "client must be 1 to 64 of A-Za-z0-9._-");
    this.client = `${name}/${client}`;
    return {};
  }

  protected begin(): void {
    this.#service.add(this.#port);
  }

  protected dispatch({ id, method, fields }: Checked): void {
    if (ABOUT_CALLS.includes(method)) {
      if (id === undefined) this.#port.take(fields);
      else {
        this.wrong("what is about a call is a notification", method);
        this.refuse(id, INVALID_REQUEST, `${method} is a notification`);
      }
      return;
    }
    if (method !== PING && !this.rights.includes(method)) {
      this.wrong(`the role ${this.role} may not call this method`, method);
      this.refuse(id, NOT_ALLOWED, `the role ${shown(this.role)} may not call ${shown(method)}`);
      return;
    }
    if (method !== PING && !this.#isNoted(method)) {
      this.refuse(id, NOT_AUDITED, "the call can't be written to the audit chain, so it is not made");
      return;
    }
    if (this.#port.isCrowded) {
      this.refuse(id, BUSY, "so many answers wait that no call is taken; take some first");
      return;
    }
    this.#port.take(fields);
  }

  #isNoted(method: string): boolean {
    const { audit } = this.host.settings;
    try {
      audit?.append("call", { client: this.client, role: this.role, via: this.via, method });
      return true;
    } catch (error) {
      process.emitWarning(error as Error);
      return false;
    }
  }

  protected acknowledged(): void {}
  protected watch(): void {}

  protected left(): void {
    this.#port.gone();
  }
}

/** The messages of one client as a port, for the code that serves channels. */
class CallsPort extends EventPort {
  readonly #client: ServiceClient;
  /** The sends that wait, and their characters. */
  #last: Promise<void> | undefined;
  #waiting = 0;

  constructor(client: ServiceClient) {
    super();
    this.#client = client;
  }

  get isCrowded(): boolean {
    return this.#waiting > this.#client.ceiling / 2;
  }

  take(message: unknown): void {
    if (!this.isOver) this.deliver(message);
  }

  gone(): void {
    this.over("peer-closed");
  }

  trySend(message: unknown): boolean {
    this.mustBeOpen();
    if (this.#last !== undefined || this.#client.isFull) return false;
    this.#client.post(textOf(message));
    return true;
  }

  async send(message: unknown): Promise<void> {
    if (this.trySend(message)) return;
    // The text is made now: the program may change the message meanwhile.
    const text = textOf(message);
    this.#waiting += text.length;
    if (this.#waiting > this.#client.ceiling) this.#client.cutOff();
    const turn = this.#sendLater(text, this.#last);
    const settled = turn.catch(() => {});
    this.#last = settled;
    try {
      await turn;
    } finally {
      this.#waiting -= text.length;
      if (this.#last === settled) this.#last = undefined;
    }
  }

  async close(): Promise<void> {
    await this.#last;
    this.#client.end(1001, "the service has ended");
    this.over("ended");
  }

  destroy(error?: Error): void {
    this.over("ended", error);
    this.#client.terminate();
  }

  async #sendLater(text: string, before: Promise<void> | undefined): Promise<void> {
    await before;
    while (this.#client.isFull && !this.isOver) await delay(LOOK_AGAIN);
    this.mustBeOpen();
    this.#client.post(text);
  }
}

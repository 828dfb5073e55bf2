import { turn } from "../clock.js";
import { ClosedError } from "../errors.js";
import type { Endpoint } from "../transport/places/endpoint.js";
import type { AcceptHandler } from "../transport/wire/acceptor.js";

/**
 * The endpoint of a server, for as long as it is open. It can be bound again when its files were taken away;
 * then it goes on with a new socket, in the state that the former had.
 */
export class Listening {
  readonly #endpoint: Endpoint;
  readonly #handler: AcceptHandler;
  #paused = false;
  #unrefed = false;
  #closed = false;
  #rebinding: Promise<void> | undefined;

  constructor(endpoint: Endpoint, handler: AcceptHandler) {
    this.#endpoint = endpoint;
    this.#handler = handler;
    this.#start();
  }

  get missing(): readonly string[] {
    return this.#endpoint.missing();
  }

  /** Sets whether connections are left waiting in the kernel. */
  pause(paused: boolean): void {
    if (this.#closed || paused === this.#paused) return;
    this.#paused = paused;
    this.#update();
  }

  /** Sets whether the process may end while this listens. */
  unref(unrefed: boolean): void {
    if (this.#closed) return;
    this.#unrefed = unrefed;
    this.#update();
  }

  /** As `Server.rebind`. Calls that come while one is under way share its outcome. */
  async rebind(): Promise<void> {
    await turn();
    if (this.#closed) throw new ClosedError("the server was closed");
    this.#rebinding ??= this.#rebind().finally(() => {
      this.#rebinding = undefined;
    });
    return this.#rebinding;
  }

  close(): void {
    this.#closed = true;
    this.#endpoint.close();
  }

  async #rebind(): Promise<void> {
    if (await this.#endpoint.rebind()) this.#start();
  }

  #start(): void {
    this.#update();
    this.#endpoint.acceptor.start(this.#handler);
  }

  #update(): void {
    const { acceptor } = this.#endpoint;
    if (this.#paused) acceptor.pause();
    else acceptor.resume();
    if (this.#unrefed) acceptor.unref();
    else acceptor.ref();
  }
}

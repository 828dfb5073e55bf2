import type { Broker } from "../broker/broker.js";
import type { AnswerFrame, RequestFrame } from "../wire.js";
import type { BrokerLink, LinkListener } from "./broker-link.js";

/** The process that serves: its name, and its broker. */
export interface Hosting {
  readonly broker: Broker;
  /** Called when the broker has stepped back. */
  onLost: (error: Error) => void;
  /** Gives the name up, and ends the broker. */
  close(): Promise<void>;
  ref(): void;
  unref(): void;
}

/** The way to the broker in this process: a call. */
export class LocalLink implements BrokerLink {
  readonly local = true;
  readonly pid = process.pid;
  readonly #hosting: Hosting;
  #client: { receive(frame: unknown): void; gone(): void } | undefined;
  #listener: LinkListener | undefined;

  constructor(hosting: Hosting) {
    this.#hosting = hosting;
  }

  /** How many clients the broker has besides this one. */
  get others(): number {
    return this.#hosting.broker.clients - 1;
  }

  listen(listener: LinkListener): void {
    this.#listener = listener;
    this.#client = this.#hosting.broker.attach({
      pid: process.pid,
      uid: process.getuid?.() ?? -1,
      send: (frame: AnswerFrame) => listener.frame(frame),
      end: (error) => this.#end(error),
    });
    this.#hosting.onLost = (error) => this.#end(error);
  }

  send(frame: RequestFrame): undefined {
    this.#client!.receive(frame);
  }

  async close(): Promise<void> {
    this.#client?.gone();
    await this.#hosting.close();
    this.#end(undefined);
  }

  ref(): void {
    this.#hosting.ref();
  }

  unref(): void {
    this.#hosting.unref();
  }

  #end(error: Error | undefined): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.end(error);
  }
}

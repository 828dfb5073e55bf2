import { EventEmitter } from "node:events";
import { raise } from "../raise.js";
import { Box, type BoxWaitOptions, type FetchOptions, listed, postRequest } from "./box.js";
import { LocalLink } from "./client/local-link.js";
import { reach } from "./client/reach.js";
import { Requester } from "./client/requester.js";
import type { Delivery } from "./delivery.js";
import type { Engine, EngineListener, EngineState } from "./engine.js";
import { NotBrokerError } from "./errors.js";
import type { BrokerStatus, Message, MessageState, PostOptions, Receipt, StoredMessage } from "./message.js";
import { checkMailboxes, type LocalSettings, type MailboxesOptions, type NatsSettings } from "./options.js";
import { checkTopic } from "./topics.js";
import type { PublishAnswer } from "./wire.js";

export type MailboxesState = EngineState;

export interface MailboxesEvents {
  /** This process became the broker, or a client of it, or looks for one. */
  state: [state: MailboxesState];
  /** A post met the bound of a box. Comes at most once a second for a box, whatever its policy. */
  full: [box: string];
  /**
   * Something went wrong that nobody waits for: the store was damaged and set aside, or no broker could be reached. Without a listener it is
   * a process warning.
   */
  trouble: [error: Error];
}

/**
 * Named boxes of messages, which outlive those who post, those who take, and the broker. Made by `mailboxes`. It keeps the process alive
 * until `close`, unless `unref` was called.
 */
export class Mailboxes extends EventEmitter<MailboxesEvents> {
  readonly #from: string;
  readonly #engine: Engine;
  #state: MailboxesState = "connecting";

  /** Made by `mailboxes`. */
  constructor(from: string, begin: (listener: EngineListener) => Engine) {
    super();
    this.#from = from;
    this.#engine = begin({
      onNotice: ({ box }) => this.#tell("full", box),
      onState: (state) => {
        if (state === this.#state) return;
        this.#state = state;
        this.#tell("state", state);
      },
      onTrouble: (error) => this.#trouble(error),
    });
  }

  /** Resolves when a broker is found: this process or another. */
  async ready(): Promise<this> {
    await this.#engine.ready();
    return this;
  }

  get state(): MailboxesState {
    return this.#state;
  }

  /** Whether this process is the broker. */
  get isBroker(): boolean {
    return this.#state === "broker";
  }

  /** The broker's process, as it says; undefined while it is being looked for. */
  get brokerPid(): number | undefined {
    return this.#engine.hello?.pid;
  }

  /** The file of the store, as the broker says; undefined for a store in memory. */
  get path(): string | undefined {
    return this.#engine.hello?.path;
  }

  box<Body = unknown>(name: string): Box<Body> {
    return new Box<Body>(name, this.#engine, this.#from);
  }

  /** Stores a message in a box; see `Box.post`. */
  async post(to: string, body: unknown, options?: PostOptions): Promise<Receipt> {
    return this.box(to).post(body, options);
  }

  /** Takes what is there; see `Box.fetch`. */
  fetch(box: string, options: FetchOptions & { readonly ack: false }): Promise<Delivery[]>;
  fetch(box: string, options?: FetchOptions): Promise<Message[]>;
  async fetch(box: string, options?: FetchOptions): Promise<Message[]> {
    return this.box(box).fetch(options);
  }

  /** Takes the next message, or waits for it; see `Box.wait`. */
  wait(box: string, options: BoxWaitOptions & { readonly ack: false }): Promise<Delivery | undefined>;
  wait(box: string, options?: BoxWaitOptions): Promise<Message | undefined>;
  async wait(box: string, options?: BoxWaitOptions): Promise<Message | undefined> {
    return this.box(box).wait(options);
  }

  /**
   * Delivers a message to all boxes that subscribe to the topic. The text is stored once. Resolves with the number of boxes that have it,
   * and the names of those that were full.
   */
  async publish(
    topic: string,
    body: unknown,
    options?: Omit<PostOptions, "id" | "key">,
  ): Promise<{ readonly boxes: number; readonly full: readonly string[] }> {
    const post = postRequest(body, options, this.#from);
    const number = this.#engine.nextPost();
    const request = { op: "publish", topic: checkTopic(topic, "topic"), number, ...post } as const;
    return (await this.#engine.ask(request).answer) as PublishAnswer;
  }

  /** How broker, store and boxes stand. */
  async status(): Promise<BrokerStatus> {
    const status = (await this.#engine.ask({ op: "status" }).answer) as Omit<BrokerStatus, "broker">;
    return { ...status, broker: this.isBroker };
  }

  /** Looks at messages of all boxes without taking them, in the order of posting; see `Box.list`. */
  list(
    options: { readonly state?: MessageState; readonly after?: number; readonly limit?: number } = {},
  ): Promise<StoredMessage[]> {
    return listed(this.#engine, undefined, options);
  }

  /**
   * Ends the broker in this process. If others are there, one of them takes over, and this process goes on as its client. If nobody is
   * there, the broker ends, and the next call begins a new one. Rejects with a NotBrokerError (ERR_RINGBELL_NOT_BROKER) in another process.
   * Resolves with whether somebody could take over.
   */
  async stop(): Promise<boolean> {
    await this.#engine.ready();
    if (!(this.#engine instanceof Requester)) {
      throw new NotBrokerError("no process is the broker: the messages lie in NATS", undefined);
    }
    const { link } = this.#engine;
    if (!(link instanceof LocalLink)) {
      const pid = this.brokerPid;
      throw new NotBrokerError(
        `the broker is process ${pid ?? "?"}, not this one: only its own process stops it`,
        pid,
      );
    }
    const { others } = link;
    await this.#engine.renounce(others > 0);
    return others > 0;
  }

  /** Leaves, and gives back what was taken and not settled. A broker in this process ends, and another process takes over. Idempotent. */
  async close(): Promise<void> {
    await this.#engine.close();
  }

  ref(): this {
    this.#engine.ref();
    return this;
  }

  /** Lets the process end. What waits is taken back then, and claims are given back. */
  unref(): this {
    this.#engine.unref();
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #trouble(error: Error): void {
    if (this.listenerCount("trouble") > 0) this.#tell("trouble", error);
    else process.emitWarning(error.message, { type: "RingbellWarning" });
  }

  #tell<Event extends keyof MailboxesEvents>(event: Event, ...args: MailboxesEvents[Event]): void {
    try {
      (this as unknown as EventEmitter).emit(event, ...args);
    } catch (error) {
      raise(error);
    }
  }
}

/**
 * Opens the mailboxes of a name. The first process that does is the broker; others are its clients, and one of them takes over when it dies.
 * A program need not know which it is.
 *
 * Rejects with a StoreError (ERR_RINGBELL_STORE) if the file can't be used, a MissingPackageError (ERR_RINGBELL_MISSING_PACKAGE) if this Node
 * has no SQLite and there is no broker, a BrokerStalledError (ERR_RINGBELL_BROKER_STALLED) if the broker does not answer, and with what `listen`
 * and `connect` reject with.
 */
export async function mailboxes(options: MailboxesOptions = {}): Promise<Mailboxes> {
  const settings = checkMailboxes(options);
  const begin = "nats" in settings ? await natsEngine(settings) : localEngine(settings);
  return new Mailboxes(settings.from, begin).ready();
}

/** A broker on this machine, in this process or another. */
function localEngine(settings: LocalSettings): (listener: EngineListener) => Engine {
  return (listener) => {
    const { place, path, durability, defaults, maxMessageBytes, time, stall, kill } = settings;
    const { onTrouble } = listener;
    const reaching = { place, durability, defaults, maxMessageBytes, time, onTrouble, stall, kill };
    let closed = false;
    return new Requester({
      ...{ stall, kill, path, ...listener },
      reach: (later) => reach(reaching, later, () => closed),
      onState(state) {
        closed = state === "closed";
        listener.onState(state);
      },
    });
  };
}

/** Servers of NATS. Their client is loaded only where a program asks for it. */
async function natsEngine(settings: NatsSettings): Promise<(listener: EngineListener) => Engine> {
  const { NatsEngine, loadPackages } = await import("./nats/nats-engine.js");
  const packages = await loadPackages();
  return (listener) => new NatsEngine(settings, packages, listener);
}

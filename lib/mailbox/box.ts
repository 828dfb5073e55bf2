import { checkBoolean, checkInteger, checkOneOf, checkOptions, checkSignal } from "../check.js";
import { encodeBody, messageOf, storedOf } from "./body.js";
import { acknowledge, take } from "./client/taking.js";
import { Delivery } from "./delivery.js";
import type { Engine } from "./engine.js";
import { LONGEST_ID, LONGEST_NAME, MOST_LEASE, MOST_TAKEN, MOST_TIME, WAIT } from "./limits.js";
import {
  type BoxSettings,
  type BoxStatus,
  type Message,
  type MessageState,
  type PostOptions,
  PRIORITIES,
  RANK,
  type Receipt,
  type StoredMessage,
} from "./message.js";
import { checkWait } from "./options.js";
import { checkName, checkSettings, checkText } from "./settings.js";
import { checkPattern } from "./topics.js";
import type { WireMessage } from "./wire.js";
import { type Handler, Work, type WorkOptions, workBy } from "./work.js";

export interface FetchOptions {
  /** The most messages, 1 to 1000. Default 1000. Fewer come if their texts are longer than 16 MiB in all. */
  readonly limit?: number | undefined;
  /** Whether they are acknowledged as they arrive. With false they are deliveries, which the program settles. Default true. */
  readonly ack?: boolean | undefined;
  /** With `ack: false`: how long they are this program's, in ms. Default: that of the box. */
  readonly lease?: number | undefined;
}

export interface BoxWaitOptions extends Omit<FetchOptions, "limit"> {
  /** How long to wait, in ms, 0 to 300 000. A longer time is refused. Default 60 000. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const POST_OPTIONS = ["from", "id", "priority", "key", "ttl", "delay"];

/** A box, by its name. It need not exist: it begins with the first post or wait. */
export class Box<Body = unknown> {
  readonly name: string;
  readonly #engine: Engine;
  readonly #from: string;

  constructor(name: string, engine: Engine, from: string) {
    this.name = checkName(name, "box");
    this.#engine = engine;
    this.#from = from;
  }

  /**
   * Stores a message. Resolves when it is stored: then it survives every process. A text goes as it is, any other value as JSON.
   *
   * Rejects with a BoxFullError (ERR_RINGBELL_BOX_FULL), a NoSpaceError (ERR_RINGBELL_NO_SPACE) if the disk is full, an InvalidArgumentError
   * if the text is too long, or a BrokerStalledError (ERR_RINGBELL_BROKER_STALLED).
   */
  post(body: Body, options?: PostOptions): Promise<Receipt> {
    const post = postRequest(body, options, this.#from);
    const number = this.#engine.nextPost();
    return this.#engine.ask({ op: "post", to: this.name, number, ...post }).answer as Promise<Receipt>;
  }

  /** Takes what is there, in order: at most `limit`, possibly none. */
  fetch(options: FetchOptions & { readonly ack: false }): Promise<Delivery<Body>[]>;
  fetch(options?: FetchOptions): Promise<Message<Body>[]>;
  async fetch(options: FetchOptions = {}): Promise<Message<Body>[]> {
    checkOptions(options, ["limit", "ack", "lease"], "options");
    const most = checkInteger(options.limit ?? MOST_TAKEN, "options.limit", 1, MOST_TAKEN);
    const messages = await take(
      this.#engine,
      { box: this.name, most, lease: checkLease(options) },
      { timeout: 0, signal: undefined },
    );
    return this.#hand(messages, checkAck(options));
  }

  /**
   * Takes the next message, and waits for it if there is none. Resolves with undefined when the time is over. The wait goes on when the
   * broker dies. Rejects with the signal's reason.
   */
  wait(options: BoxWaitOptions & { readonly ack: false }): Promise<Delivery<Body> | undefined>;
  wait(options?: BoxWaitOptions): Promise<Message<Body> | undefined>;
  async wait(options: BoxWaitOptions = {}): Promise<Message<Body> | undefined> {
    checkOptions(options, ["timeout", "ack", "lease", "signal"], "options");
    const timeout = checkWait(options.timeout, WAIT);
    const messages = await take(
      this.#engine,
      { box: this.name, most: 1, lease: checkLease(options), wait: true },
      { timeout, signal: checkSignal(options.signal, "options.signal") },
    );
    return this.#hand(messages, checkAck(options))[0];
  }

  /** As `wait` with `ack: false`: the message is this program's until it is settled, or its lease ends. */
  claim(options: Omit<BoxWaitOptions, "ack"> = {}): Promise<Delivery<Body> | undefined> {
    return this.wait({ ...options, ack: false });
  }

  /**
   * Works on messages as they come. As a loop: `for await (const delivery of box.work())`. What the loop has done with is acknowledged, and
   * what it leaves by an error is given back. With a handler: up to `concurrency` calls of it run at a time; what returns is acknowledged,
   * what throws is given back, and the promise resolves at the end. Both end on the text "shutdown".
   */
  work(options?: WorkOptions<Body>): Work<Body>;
  work(handler: Handler<Body>, options?: WorkOptions<Body>): Promise<void>;
  work(first?: Handler<Body> | WorkOptions<Body>, options?: WorkOptions<Body>): Work<Body> | Promise<void> {
    if (typeof first !== "function") return new Work(this.name, this.#engine, first ?? {});
    return workBy(new Work(this.name, this.#engine, options ?? {}), first);
  }

  /** Delivers to this box what is published under topics that the pattern means: `*` is a word, a last `>` one or more. It is stored. */
  async subscribe(pattern: string): Promise<void> {
    await this.#ask({ op: "subscribe", box: this.name, pattern: checkPattern(pattern, "pattern") });
  }

  /** Resolves with whether the box had subscribed to the pattern. */
  async unsubscribe(pattern: string): Promise<boolean> {
    const request = { op: "unsubscribe", box: this.name, pattern: checkPattern(pattern, "pattern") } as const;
    return (await this.#ask(request)) as boolean;
  }

  /** Sets bounds and habits of the box; they are stored with it. Resolves with all that hold now. */
  async configure(settings: Partial<BoxSettings>): Promise<BoxSettings> {
    const request = { op: "configure", box: this.name, settings: checkSettings(settings) } as const;
    return (await this.#ask(request)) as BoxSettings;
  }

  /** How the box stands; undefined if there is none of this name. */
  async status(): Promise<BoxStatus | undefined> {
    const { boxes } = (await this.#ask({ op: "status", box: this.name })) as { boxes: BoxStatus[] };
    return boxes[0];
  }

  /** Looks at messages without taking them, in the order of posting: up to `limit` (1000) after the position `after`. */
  async list(
    options: { readonly state?: MessageState; readonly after?: number; readonly limit?: number } = {},
  ): Promise<StoredMessage<Body>[]> {
    return (await listed(this.#engine, this.name, options)) as StoredMessage<Body>[];
  }

  /** The dead letters, as `list` gives them. */
  dead(options: { readonly after?: number; readonly limit?: number } = {}): Promise<StoredMessage<Body>[]> {
    return this.list({ ...options, state: "dead" });
  }

  /** Puts dead letters back, as if they had never been tried: those at the positions, or all. Resolves with their number. */
  async requeue(positions?: readonly number[]): Promise<number> {
    if (positions !== undefined && positions.length <= MOST_TAKEN) {
      return (await this.#ask({ op: "requeue", box: this.name, positions })) as number;
    }
    return this.#repeat((at) => {
      const some = positions?.slice(at * MOST_TAKEN, (at + 1) * MOST_TAKEN);
      return some?.length === 0 ? undefined : { op: "requeue", box: this.name, positions: some };
    }, positions !== undefined);
  }

  /** Deletes what waits, or the dead letters. Resolves with their number. Messages that are claimed stay. */
  purge(what: "waiting" | "dead" = "waiting"): Promise<number> {
    checkOneOf(what, "what", ["waiting", "dead"]);
    return this.#repeat(() => ({ op: "purge", box: this.name, what }), false);
  }

  /** Forgets the box with its settings and subscriptions. Rejects with a BoxFullError if it holds messages, or somebody waits. */
  async remove(): Promise<boolean> {
    return (await this.#ask({ op: "purge", box: this.name, what: "box" })) === 1;
  }

  /** Asks for the next part until there is none. `counted`: a part that did nothing is not the last. */
  async #repeat(
    next: (at: number) => Parameters<Engine["ask"]>[0] | undefined,
    counted: boolean,
  ): Promise<number> {
    let total = 0;
    for (let at = 0; ; at++) {
      const request = next(at);
      if (request === undefined) return total;
      const count = (await this.#ask(request)) as number;
      total += count;
      if (!counted && count < MOST_TAKEN) return total;
    }
  }

  #ask(request: Parameters<Engine["ask"]>[0]): Promise<unknown> {
    return this.#engine.ask(request).answer;
  }

  #hand(messages: readonly WireMessage[], ack: boolean): Message<Body>[] {
    if (!ack) return messages.map((wire) => new Delivery<Body>(wire, this.#engine));
    acknowledge(this.#engine, messages);
    return messages.map((wire) => messageOf(wire) as Message<Body>);
  }
}

/** Checks what a post says, and makes of it what goes over the wire. */
export function postRequest(body: unknown, options: PostOptions | undefined, from: string) {
  return options === undefined ? { ...encodeBody(body), from } : postWith(body, options, from);
}

function postWith(body: unknown, options: PostOptions, from: string) {
  checkOptions(options, POST_OPTIONS, "options");
  const { id, key, ttl, delay, priority } = options;
  return {
    ...encodeBody(body),
    from: options.from === undefined ? from : checkText(options.from, "options.from", 0, LONGEST_NAME),
    ...(id === undefined ? {} : { id: checkText(id, "options.id", 1, LONGEST_ID) }),
    ...(priority === undefined ? {} : { rank: RANK[checkOneOf(priority, "options.priority", PRIORITIES)] }),
    ...(key === undefined ? {} : { key: checkText(key, "options.key", 1, LONGEST_ID) }),
    ...(ttl === undefined ? {} : { ttl: checkInteger(ttl, "options.ttl", 0, MOST_TIME) }),
    ...(delay === undefined ? {} : { delay: checkInteger(delay, "options.delay", 0, MOST_TIME) }),
  };
}

const STATES: readonly MessageState[] = ["queued", "claimed", "delayed", "dead"];

/** Looks at messages of a box, or of all. */
export async function listed(
  engine: Engine,
  box: string | undefined,
  options: { readonly state?: MessageState; readonly after?: number; readonly limit?: number },
): Promise<StoredMessage[]> {
  checkOptions(options, ["state", "after", "limit"], "options");
  const { state, after = 0, limit = MOST_TAKEN } = options;
  const answer = await engine.ask({
    op: "list",
    box,
    state: state === undefined ? undefined : STATES.indexOf(checkOneOf(state, "options.state", STATES)),
    after: checkInteger(after, "options.after", 0, Number.MAX_SAFE_INTEGER),
    most: checkInteger(limit, "options.limit", 1, MOST_TAKEN),
  }).answer;
  return (answer as WireMessage[]).map(storedOf);
}

function checkLease({ lease }: { readonly lease?: number | undefined }): number | undefined {
  return lease === undefined ? undefined : checkInteger(lease, "options.lease", 1, MOST_LEASE);
}

function checkAck({ ack = true }: { readonly ack?: boolean | undefined }): boolean {
  return checkBoolean(ack, "options.ack");
}

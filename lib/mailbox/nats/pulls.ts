import { randomBytes } from "node:crypto";
import type { Msg, Subscription } from "@nats-io/transport-node";
import { clearTimeout, delay, setTimeout, type Timer } from "../../clock.js";
import { MOST_TAKEN_BYTES } from "../limits.js";
import { type Pulled, pulledOf } from "./envelope.js";
import type { Link } from "./link.js";
import { consumerOf, type Names, RANKS } from "./names.js";

const NANO = 1e6;
/** How long the server keeps a request for a message, in ms, before it is made anew. */
const KEPT = 300_000;
/** How much longer to wait for its end than the server takes. */
const EXTRA = 5000;
/** How long holders of claims have to show that they are there, after the connection was lost, before others are asked for messages. */
const GRACE = 1000;
/**
 * How long a request for what is there now may be unanswered, in ms. A server of 2.9 leaves it so if it counted a message that was deleted, or that
 * another one got; and where the consumer was deleted.
 */
const UNANSWERED = 250;
/** How often a consumer is asked that has messages and does not answer. */
const MOST_ASKED = 5;
/** How long to wait after the server refused, in ms. */
const PAUSE = 50;

/** Statuses that a server sends in place of messages. */
const NO_MESSAGES = 404;
const EXPIRED = 408;
const REFUSED = 409;
const NOBODY = 503;

/**
 * Asks the server for messages. It speaks the protocol of JetStream itself: a wait must be taken back without losing the message that is on its way,
 * and one wait asks three consumers, of which one may answer.
 */
export class Pulls {
  readonly #link: Link;
  readonly #names: Names;
  readonly #mend: (box: string, rank: number) => Promise<boolean>;
  readonly #waits = new Set<Wait>();

  /** `mend`: does what it can for a consumer that has not answered. It resolves with whether it may have messages. */
  constructor(link: Link, names: Names, mend: (box: string, rank: number) => Promise<boolean>) {
    this.#link = link;
    this.#names = names;
    this.#mend = mend;
  }

  /** Takes up to `most` messages of a rank that are there now. */
  async now(box: string, rank: number, most: number): Promise<Pulled[]> {
    for (let asked = 1; ; asked++) {
      const messages = await this.#now(box, rank, most);
      if (messages !== undefined) return messages;
      if (!(await this.#mend(box, rank)) || asked === MOST_ASKED) return [];
    }
  }

  /** Resolves with undefined if the server has not answered. */
  async #now(box: string, rank: number, most: number): Promise<Pulled[] | undefined> {
    if (!this.#link.connected) return undefined;
    const messages: Pulled[] = [];
    let status = 0;
    await new Promise<void>((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        // What is on its way still comes, so that nothing is lost to a slow server.
        void subscription.drain().then(resolve, resolve);
      };
      const timer = setTimeout(finish, UNANSWERED).unref();
      const subscription = subscribe(this.#link, (message, code) => {
        status ||= code;
        if (code === 0) messages.push(pulledOf(message));
        if (status === 0 && messages.length < most) return;
        clearTimeout(timer);
        subscription.unsubscribe();
        resolve();
      });
      const bytes = most > 1 ? { max_bytes: MOST_TAKEN_BYTES } : {};
      this.#ask(box, rank, subscription, { batch: most, no_wait: true, ...bytes });
    });
    // The first message alone is longer than all may be together.
    if (status === REFUSED && messages.length === 0 && most > 1) return this.#now(box, rank, 1);
    const unanswered = status === 0 || status === NOBODY || status === REFUSED;
    return messages.length === 0 && unanswered ? undefined : messages;
  }

  /**
   * Waits for a message of the ranks. It ends with the first that comes, or with `stop`. Others that come meanwhile are handed to `surplus`:
   * three consumers may answer at once.
   */
  wait(box: string, ranks: readonly number[], surplus: (message: Pulled) => void): Wait {
    const wait = new Wait(surplus, (listener) => subscribe(this.#link, listener));
    this.#waits.add(wait);
    wait.ask = (subscription, rank) => {
      this.#ask(box, rank, subscription, { batch: 1, expires: KEPT * NANO });
    };
    void wait.message.finally(() => this.#waits.delete(wait)).catch(() => {});
    wait.begin(ranks);
    return wait;
  }

  /** Lets begin anew what waited over the connection before: a server that was killed has perhaps lost its consumers, or stops at ghosts. */
  async renew(): Promise<void> {
    const { generation } = this.#link;
    const before = [...this.#waits];
    await delay(GRACE);
    if (generation !== this.#link.generation) return;
    for (const wait of before) wait.renew();
  }

  close(): void {
    for (const wait of this.#waits) void wait.stop();
  }

  #ask(box: string, rank: number, subscription: Subscription, request: object): void {
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.#names.stream(box)}.${consumerOf(rank)}`;
    this.#link.nats.publish(subject, JSON.stringify(request), { reply: subscription.getSubject() });
  }
}

/** One that waits for a message. */
export class Wait {
  /** Resolves with the message; with `gone` if the consumers are not there any more; with undefined after `stop`. */
  readonly message: Promise<Pulled | "gone" | undefined>;
  ask: (subscription: Subscription, rank: number) => void = () => {};
  readonly #surplus: (message: Pulled) => void;
  readonly #subscription: Subscription;
  #ranks: readonly number[] = RANKS;
  #resolve!: (message: Pulled | "gone" | undefined) => void;
  #over = false;
  #stopping: Promise<void> | undefined;
  #timer: Timer | undefined;

  constructor(surplus: (message: Pulled) => void, subscribe: (listener: Listener) => Subscription) {
    this.#surplus = surplus;
    this.message = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#subscription = subscribe((message, status) => this.#arrived(message, status));
  }

  begin(ranks: readonly number[]): void {
    this.#ranks = ranks;
    this.#askAgain();
  }

  /** Ends it as if the consumers were gone, so that all is looked at anew. */
  renew(): void {
    if (this.#stopping === undefined) this.#end("gone");
  }

  #askAgain(): void {
    if (this.#over || this.#stopping !== undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#askAgain(), KEPT + EXTRA).unref();
    for (const rank of this.#ranks) this.ask(this.#subscription, rank);
  }

  /** Takes the wait back. A message that was on its way still ends it. */
  stop(): Promise<void> {
    this.#stopping ??= this.#drain().then(() => this.#end(undefined));
    return this.#stopping;
  }

  /** Tells the server that nothing may come any more, and takes what is on its way. */
  async #drain(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#subscription.drain().catch(() => {});
  }

  #arrived(message: Msg, status: number): void {
    if (status === 0) {
      const pulled = pulledOf(message);
      if (this.#over) this.#surplus(pulled);
      else this.#end(pulled);
    } else if (status !== EXPIRED && status !== NO_MESSAGES && this.#stopping === undefined) {
      clearTimeout(this.#timer);
      // The consumer is gone, or the server is about to end, or has just begun.
      this.#timer = setTimeout(() => this.#end("gone"), PAUSE).unref();
    } else if (status === EXPIRED) {
      clearTimeout(this.#timer);
      // All ranks were asked at the same time, so the others end now, too.
      this.#timer = setTimeout(() => this.#askAgain(), PAUSE).unref();
    }
  }

  #end(message: Pulled | "gone" | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#resolve(message);
    this.#stopping ??= this.#drain();
  }
}

/** Gets a message, or a status in its place; 0 for a message. */
type Listener = (message: Msg, status: number) => void;

function subscribe(link: Link, listener: Listener): Subscription {
  return link.nats.subscribe(inbox(), {
    callback: (error, message) => listener(message, error === null ? statusOf(message) : NOBODY),
  });
}

function statusOf({ headers, reply = "" }: Msg): number {
  // A delivery has a subject for its settlement. What has none is a status, such as that nobody listens.
  return reply.startsWith("$JS.ACK.") ? 0 : headers?.code || NOBODY;
}

function inbox(): string {
  return `_INBOX.ringbell.${randomBytes(12).toString("hex")}`;
}

import { releaseBlocks } from "../codec/release-blocks.js";
import { CREDIT_WINDOW } from "./message.js";

/** What a reader tells the side that sends. */
export interface ReaderEvents {
  /** The first item is asked for. */
  start(): void;
  /** So many items were taken since the last time. */
  credit(count: number): void;
  /** Nobody reads any more, before the end has come. */
  leave(): void;
  /** Checks an item. Throws for a bad one. */
  check(item: unknown): unknown;
}

interface Waiter {
  resolve(result: IteratorResult<unknown>): void;
  reject(error: unknown): void;
}

const DONE = { done: true, value: undefined } as const;

/** Items as they arrive, to be taken by a loop. A loop that is left, and one that throws, ends the sender. */
export class ItemsReader implements AsyncIterableIterator<unknown> {
  readonly #events: ReaderEvents;
  #items: unknown[] = [];
  /** The number of items of `#items` that were taken. */
  #taken = 0;
  readonly #waiters: Waiter[] = [];
  /** Items that were taken and for which no credit was given. */
  #uncredited = 0;
  #started = false;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  /** The value that comes with the end, once: the result of what was no stream after all. */
  #result: unknown;

  constructor(events: ReaderEvents) {
    this.#events = events;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<unknown>> {
    this.#start();
    if (this.#taken < this.#items.length) return this.#take();
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      this.#failure = undefined;
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve(this.#done());
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<unknown>> {
    this.#leave();
    return Promise.resolve(DONE);
  }

  throw(error: unknown): Promise<IteratorResult<unknown>> {
    this.#leave();
    return Promise.reject(error);
  }

  /** Called with items that have arrived. Returns whether there may be so many: a peer that sends beyond its credit breaks the protocol. */
  add(items: readonly unknown[]): boolean {
    if (this.#ended) {
      releaseBlocks(items);
      return true;
    }
    const unread = this.#items.length - this.#taken;
    if (unread + this.#uncredited + items.length > CREDIT_WINDOW) return false;
    if (this.#taken === this.#items.length) {
      this.#items = [];
      this.#taken = 0;
    }
    for (const item of items) this.#items.push(item);
    while (this.#waiters.length > 0 && this.#taken < this.#items.length) {
      const waiter = this.#waiters.shift()!;
      this.#take().then(waiter.resolve, waiter.reject);
    }
    return true;
  }

  /** Ends the items, after those that have arrived. `failure`: why, if not in order; `result`: what comes with the end. */
  end(failure?: { readonly error: unknown }, result?: unknown): void {
    if (this.#ended) {
      releaseBlocks(result);
      return;
    }
    this.#ended = true;
    this.#failure = failure;
    this.#result = result;
    for (const waiter of this.#waiters.splice(0)) this.next().then(waiter.resolve, waiter.reject);
  }

  /** Ends the items at once: nobody wants those that have arrived. Whoever reads on gets the error. */
  drop(error: unknown): void {
    this.#forget();
    this.end({ error });
  }

  #done(): IteratorResult<unknown> {
    const value = this.#result;
    this.#result = undefined;
    return value === undefined ? DONE : { done: true, value };
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#events.start();
  }

  #take(): Promise<IteratorResult<unknown>> {
    const raw = this.#items[this.#taken];
    this.#items[this.#taken++] = undefined;
    if (++this.#uncredited >= CREDIT_WINDOW / 2 && !this.#ended) {
      const count = this.#uncredited;
      this.#uncredited = 0;
      this.#events.credit(count);
    }
    try {
      return Promise.resolve({ done: false, value: this.#events.check(raw) });
    } catch (error) {
      releaseBlocks(raw);
      this.#leave();
      return Promise.reject(error);
    }
  }

  #leave(): void {
    this.#forget();
    const ended = this.#ended;
    this.end();
    this.#failure = undefined;
    if (!ended && this.#started) this.#events.leave();
    // A loop that never began asks for nothing.
    this.#started = true;
  }

  #forget(): void {
    releaseBlocks(this.#items.slice(this.#taken));
    releaseBlocks(this.#result);
    this.#result = undefined;
    this.#items = [];
    this.#taken = 0;
  }
}

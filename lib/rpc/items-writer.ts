import { nextTick, turn } from "../clock.js";
import { releaseBlocks } from "../codec/release-blocks.js";

/** The most items in one message. */
const MOST_IN_MESSAGE = 64;

/** After so many items that nothing made us wait for, others have a turn of the event loop. */
const MOST_IN_TURN = 4096;

/** Sends items. Returns a promise if there is no room now. */
export type PostItems = (items: readonly unknown[]) => Promise<void> | undefined;

/**
 * Sends the items of an iterable, as far as the reader has given credit. Items that come without waiting between them share a
 * message: it goes out as soon as the source makes us wait.
 */
export class ItemsWriter {
  readonly #post: PostItems;
  #credit: number;
  #items: unknown[] = [];
  #over = false;
  /** Items that were sent since the writer last waited. */
  #streak = 0;
  /** Messages that wait for room. The source is not asked for more meanwhile. */
  #sending: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** Resolves what waits for credit or for the end. */
  #wake: (() => void) | undefined;

  constructor(post: PostItems, credit: number) {
    this.#post = post;
    this.#credit = credit;
  }

  /** The reader takes so many more. */
  grant(count: number): void {
    this.#credit += count;
    this.#wake?.();
  }

  /** The reader takes no more. The source is told, by `return`, and `write` resolves at once. */
  stop(): void {
    this.#over = true;
    releaseBlocks(this.#items);
    this.#items = [];
    this.#wake?.();
  }

  /** Sends all items. Resolves when the last is on its way, or after `stop`. Rejects with what the source throws. */
  async write(source: AsyncIterable<unknown> | Iterable<unknown>): Promise<void> {
    const iterator = iteratorOf(source);
    let exhausted = false;
    try {
      for (;;) {
        if (this.#credit <= 0) await this.#creditOrEnd();
        if (this.#sending !== undefined) await this.#unlessOver(this.#sending);
        if (++this.#streak > MOST_IN_TURN) await this.#rest();
        if (this.#over) return;
        if (this.#failure !== undefined) throw this.#failure.error;
        const next = iterator.next();
        const step = isPromise(next) ? await this.#unlessOver(next) : next;
        if (step === undefined) return;
        if (step.done === true) {
          exhausted = true;
          break;
        }
        if (this.#over) {
          releaseBlocks(step.value);
          return;
        }
        const sending = this.#add(step.value);
        if (sending !== undefined) await this.#unlessOver(sending);
      }
      await this.#flush();
    } catch (error) {
      exhausted = this.#failure === undefined;
      throw error;
    } finally {
      if (!exhausted) leave(iterator);
    }
  }

  #add(item: unknown): Promise<void> | undefined {
    this.#credit--;
    if (this.#items.push(item) === 1) nextTick(() => this.#flushQuietly());
    return this.#items.length < MOST_IN_MESSAGE ? undefined : this.#flush();
  }

  /** A source that always has a next item, for a reader that always takes it, would keep the event loop from everything else. */
  async #rest(): Promise<void> {
    this.#streak = 0;
    await turn();
  }

  #flush(): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#items.length === 0 || this.#over) return undefined;
    const items = this.#items;
    this.#items = [];
    return this.#post(items);
  }

  /** The source hears of a failure when it gives the next item. */
  #flushQuietly(): void {
    const fail = (error: unknown) => {
      this.#failure ??= { error };
    };
    try {
      const sending = this.#flush()?.catch(fail);
      this.#sending = sending?.then(() => {
        this.#sending = undefined;
      });
    } catch (error) {
      fail(error);
    }
  }

  async #creditOrEnd(): Promise<void> {
    await this.#flush();
    while (this.#credit <= 0 && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wake = undefined;
    this.#streak = 0;
  }

  /** Returns undefined if the reader leaves before the promise is settled. */
  #unlessOver<T>(promise: PromiseLike<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      this.#wake = () => {
        if (this.#over) resolve(undefined);
      };
      this.#wake();
      Promise.resolve(promise).then((step) => {
        if (this.#over) releaseBlocks(step);
        resolve(step);
      }, reject);
    });
  }
}

/** A generator that waits hears of it when it goes on, so nobody waits for its answer. Nobody wants to know what it throws then. */
function leave(iterator: Partial<Pick<AsyncIterator<unknown> | Iterator<unknown>, "return">>): void {
  try {
    void Promise.resolve(iterator.return?.()).catch(() => {});
  } catch {
    // A generator that is no async one throws at once.
  }
}

function iteratorOf(source: AsyncIterable<unknown> | Iterable<unknown>) {
  const asyncIterator = (source as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator];
  if (asyncIterator !== undefined) return asyncIterator.call(source);
  return (source as Iterable<unknown>)[Symbol.iterator]();
}

function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as Partial<PromiseLike<T>> | undefined)?.then === "function";
}

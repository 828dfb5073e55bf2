import { nextTick } from "../clock.js";

/** The most items in one message. */
const MOST_IN_MESSAGE = 64;

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
    this.#wake?.();
  }

  /** Sends all items. Resolves when the last is on its way, or after `stop`. Rejects with what the source throws. */
  async write(source: AsyncIterable<unknown> | Iterable<unknown>): Promise<void> {
    const iterator = iteratorOf(source);
    let exhausted = false;
    try {
      for (;;) {
        if (this.#credit <= 0) await this.#creditOrEnd();
        if (this.#over) return;
        const next = iterator.next();
        const step = isPromise(next) ? await this.#unlessOver(next) : next;
        if (step === undefined) return;
        if (step.done === true) {
          exhausted = true;
          break;
        }
        await this.#add(step.value);
      }
      await this.#flush();
    } catch (error) {
      exhausted = this.#failure === undefined;
      throw error;
    } finally {
      // A generator that waits hears of it when it goes on, so nobody waits for its answer.
      if (!exhausted) void Promise.resolve(iterator.return?.()).catch(() => {});
    }
  }

  #add(item: unknown): Promise<void> | undefined {
    this.#credit--;
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#items.push(item) === 1) nextTick(() => this.#flushQuietly());
    return this.#items.length < MOST_IN_MESSAGE ? undefined : this.#flush();
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
      this.#flush()?.catch(fail);
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
  }

  /** Returns undefined if the reader leaves before the promise is settled. */
  #unlessOver<T>(promise: PromiseLike<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      this.#wake = () => {
        if (this.#over) resolve(undefined);
      };
      promise.then(resolve, reject);
    });
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

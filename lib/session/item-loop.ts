/** What a loop takes items from. */
export interface ItemSource<T> {
  /** Returns the next item if it is there. */
  takeNow(): T | undefined;
  /** Resolves with true when there may be one, and with false at the end. Rejects where the items end by an error. */
  more(): Promise<boolean>;
  /** Called once, when the loop has ended or was left. */
  left(): void;
}

/** The iterator behind `for await`. Written by hand, because an async generator costs three promises an item. */
export class ItemLoop<T> implements AsyncIterableIterator<T> {
  readonly #source: ItemSource<T>;
  #open = true;
  /** Calls of `next` that wait for an item, one behind the other. */
  #waiting = 0;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(source: ItemSource<T>) {
    this.#source = source;
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#open && this.#waiting === 0) {
      const value = this.#source.takeNow();
      if (value !== undefined) return Promise.resolve({ done: false, value });
    }
    this.#waiting++;
    const result = this.#tail.then(() => this.#wait());
    const over = () => {
      this.#waiting--;
    };
    this.#tail = result.then(over, over);
    return result;
  }

  /** Leaves the loop. An item that a call of `next` waits for stays where it is. */
  return(): Promise<IteratorResult<T>> {
    this.#leave();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #wait(): Promise<IteratorResult<T>> {
    try {
      while (this.#open) {
        const value = this.#source.takeNow();
        if (value !== undefined) return { done: false, value };
        if (!(await this.#source.more())) break;
      }
    } catch (error) {
      this.#leave();
      throw error;
    }
    this.#leave();
    return { done: true, value: undefined };
  }

  #leave(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#source.left();
  }
}

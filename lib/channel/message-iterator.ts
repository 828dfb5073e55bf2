/** A call that waits for a message. */
export interface Waiter<Receive> {
  resolve(message: Receive): void;
  reject(error: unknown): void;
  /** Called instead of `reject` when the channel ends in order. */
  end(): void;
}

/** The source from which an iterator takes messages. */
export interface MessageSource<Receive> {
  /** Returns whether a message is there that may be taken now. */
  canTakeNow(): boolean;
  /** Returns the next message. Throws if it can't be decoded. */
  take(): Receive;
  /** Reports a message that could not be decoded. */
  bad(error: unknown): void;
  /** Returns whether no message is left and none will come. */
  isDry(): boolean;
  /** Returns what the peer did wrong, once the source is dry; undefined for an end in order. */
  failure(): Error | undefined;
  wait(waiter: Waiter<Receive>): void;
  /** Called when the iterator is no consumer any more. */
  leave(): void;
  /** Stops the waiting calls of the iterator and returns them. */
  stopWaiting(): readonly Waiter<Receive>[];
}

/**
 * Makes the iterator behind `for await`. It takes every message until the loop is left, the channel is
 * closed, or (throwing) the peer dies. A message that can't be decoded does not end it. Written by hand,
 * because an async generator costs three promises a message.
 */
export function messageIterator<Receive>(source: MessageSource<Receive>): AsyncIterableIterator<Receive> {
  let open = true;
  const leave = () => {
    if (open) source.leave();
    open = false;
  };
  const done = (): IteratorResult<Receive> => {
    leave();
    return { done: true, value: undefined };
  };
  return {
    next: (): Promise<IteratorResult<Receive>> => {
      while (open && source.canTakeNow()) {
        try {
          return Promise.resolve({ done: false, value: source.take() });
        } catch (error) {
          source.bad(error);
        }
      }
      if (!open || source.isDry()) {
        const failure = open ? source.failure() : undefined;
        const end = done();
        return failure === undefined ? Promise.resolve(end) : Promise.reject(failure);
      }
      return new Promise((resolve, reject) => {
        source.wait({
          resolve: (value) => resolve({ done: false, value }),
          reject: (error) => {
            leave();
            reject(error);
          },
          end: () => resolve(done()),
        });
      });
    },
    return: () => {
      // Waiting calls of `next` end as well.
      const waiters = open ? source.stopWaiting() : [];
      leave();
      for (const waiter of waiters) waiter.end();
      return Promise.resolve({ done: true, value: undefined });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

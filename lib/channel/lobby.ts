/** Somebody who waits for one that comes. */
export interface Waiter<T> {
  wants(arrival: T): boolean;
  take(arrival: T): void;
  /** Nobody comes any more. */
  end(): void;
}

/** Those that have come and were not taken, and those who wait for one: both in order. */
export class Lobby<T> {
  readonly #arrivals: T[] = [];
  readonly #waiters = new Set<Waiter<T>>();

  /** How many have come and were not taken. */
  get size(): number {
    return this.#arrivals.length;
  }

  /** Gives it to the first waiter that wants it. Whether there was one. */
  offer(arrival: T): boolean {
    for (const waiter of this.#waiters) {
      if (!waiter.wants(arrival)) continue;
      this.#waiters.delete(waiter);
      waiter.take(arrival);
      return true;
    }
    return false;
  }

  /** It stays until it is taken. */
  keep(arrival: T): void {
    this.#arrivals.push(arrival);
  }

  /** Takes the first that is wanted. */
  take(wants: (arrival: T) => boolean): T | undefined {
    const index = this.#arrivals.findIndex(wants);
    return index < 0 ? undefined : this.#arrivals.splice(index, 1)[0];
  }

  takeAll(): T[] {
    return this.#arrivals.splice(0);
  }

  /** Returns what takes the waiter out again. */
  wait(waiter: Waiter<T>): () => void {
    this.#waiters.add(waiter);
    return () => void this.#waiters.delete(waiter);
  }

  close(): void {
    this.#arrivals.length = 0;
    for (const waiter of this.#waiters) waiter.end();
    this.#waiters.clear();
  }
}

/** A party that waits for an arrival. */
export interface Waiter<T> {
  wants(arrival: T): boolean;
  take(arrival: T): void;
  /** No arrival will come any more. */
  end(): void;
}

/** Arrivals that were not taken yet, and waiters for the next arrival, both in order. */
export class Lobby<T> {
  readonly #arrivals: T[] = [];
  readonly #waiters = new Set<Waiter<T>>();

  /** The number of arrivals that were not taken yet. */
  get size(): number {
    return this.#arrivals.length;
  }

  /** Gives the arrival to the first waiter that wants it. Returns whether there was one. */
  offer(arrival: T): boolean {
    for (const waiter of this.#waiters) {
      if (!waiter.wants(arrival)) continue;
      this.#waiters.delete(waiter);
      waiter.take(arrival);
      return true;
    }
    return false;
  }

  /** Keeps the arrival until it is taken. */
  keep(arrival: T): void {
    this.#arrivals.push(arrival);
  }

  /** Takes the first arrival that `wants` accepts. */
  take(wants: (arrival: T) => boolean): T | undefined {
    const index = this.#arrivals.findIndex(wants);
    return index < 0 ? undefined : this.#arrivals.splice(index, 1)[0];
  }

  takeAll(): T[] {
    return this.#arrivals.splice(0);
  }

  /** Adds a waiter. Returns a function that removes it again. */
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

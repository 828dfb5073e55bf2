/** Somebody who waits for a message of a box. */
export interface Waiter<Client> {
  readonly client: Client;
  readonly tag: number;
  readonly box: number;
  readonly most: number;
  readonly lease: number | undefined;
  /** Only messages of this rank; undefined: any. */
  readonly rank: number | undefined;
}

/** Who waits for which box. The one that has waited longest is served first; those that want one rank only come before the others. */
export class Waiters<Client> {
  readonly #byBox = new Map<number, { narrow: Set<Waiter<Client>>; any: Set<Waiter<Client>> }>();

  add(waiter: Waiter<Client>): void {
    let waiters = this.#byBox.get(waiter.box);
    if (waiters === undefined) {
      waiters = { narrow: new Set(), any: new Set() };
      this.#byBox.set(waiter.box, waiters);
    }
    (waiter.rank === undefined ? waiters.any : waiters.narrow).add(waiter);
  }

  delete(waiter: Waiter<Client>): void {
    const waiters = this.#byBox.get(waiter.box);
    if (waiters === undefined) return;
    waiters.any.delete(waiter);
    waiters.narrow.delete(waiter);
    if (waiters.any.size + waiters.narrow.size === 0) this.#byBox.delete(waiter.box);
  }

  /** Those that wait for the box, in the order in which they are served. */
  *of(box: number): Iterable<Waiter<Client>> {
    const waiters = this.#byBox.get(box);
    if (waiters === undefined) return;
    yield* waiters.narrow;
    yield* waiters.any;
  }

  /** How many wait for any message of the box. */
  count(box: number): number {
    return this.#byBox.get(box)?.any.size ?? 0;
  }
}

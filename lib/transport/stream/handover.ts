import type { Ending } from "../../ending.js";

/** One promise for all who wait until the kernel has certain bytes. It is made when the first asks. */
export class Handover {
  #promise: Promise<void> | undefined;
  #resolve: (after: Promise<void> | undefined) => void = () => {};
  #reject: (why: unknown) => void = () => {};
  readonly #ending: Ending;

  constructor(ending: Ending) {
    this.#ending = ending;
  }

  /** Whether anybody waits. */
  get isWanted(): boolean {
    return this.#promise !== undefined;
  }

  promise(): Promise<void> {
    if (this.#promise !== undefined) return this.#promise;
    this.#promise = new Promise((resolve, reject) => {
      this.#resolve = resolve as (after: Promise<void> | undefined) => void;
      this.#reject = reject;
    });
    // A program that awaits it gets the error. For others it is no unhandled rejection: the channel reports its end.
    this.#promise.catch(() => {});
    return this.#promise;
  }

  /** The kernel has the bytes, or will have them when `after` resolves. */
  settle(after?: Promise<void>): void {
    if (this.#promise === undefined) return;
    this.#promise = undefined;
    this.#resolve(after);
  }

  /**
   * The kernel will never have them. A peer that has gone takes what was on its way with it, as one takes what is in its
   * ring: for the sender that is no failure of the send. An end by this side is one.
   */
  fail(): void {
    if (this.#promise === undefined) return;
    this.#promise = undefined;
    const [resolve, reject] = [this.#resolve, this.#reject];
    // The reason is noted by the caller of the caller.
    void Promise.resolve().then(() =>
      this.#ending.byPeer ? resolve(undefined) : reject(this.#ending.error),
    );
  }
}

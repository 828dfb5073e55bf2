/** One promise for all who wait until the kernel has certain bytes. It is made when the first asks. */
export class Handover {
  #promise: Promise<void> | undefined;
  #resolve: (after: Promise<void> | undefined) => void = () => {};
  #reject: (why: unknown) => void = () => {};
  readonly #whyEnded: () => unknown;

  /** `whyEnded` returns the reason of the end, once there is one. */
  constructor(whyEnded: () => unknown) {
    this.#whyEnded = whyEnded;
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

  /** The kernel will never have them. */
  fail(): void {
    if (this.#promise === undefined) return;
    this.#promise = undefined;
    const reject = this.#reject;
    // The reason is noted by the caller of the caller.
    void Promise.resolve().then(() => reject(this.#whyEnded()));
  }
}

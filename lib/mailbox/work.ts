import { checkFunction, checkInteger, checkOptions, checkSignal } from "../check.js";
import { clearTimeout, setTimeout, type Timer } from "../clock.js";
import { InvalidArgumentError } from "../errors.js";
import { raise } from "../raise.js";
import { offAbort, onAbort } from "../signal.js";
import { take } from "./client/taking.js";
import { Delivery } from "./delivery.js";
import type { Engine } from "./engine.js";
import { LeaseLostError } from "./errors.js";
import { LEASE, MOST_LEASE } from "./limits.js";
import { RANK } from "./message.js";

export interface WorkOptions<Body = unknown> {
  /** How many messages are this worker's at a time, 1 to 1000. Default 1. */
  readonly concurrency?: number | undefined;
  /** How long a message stays this worker's if its process hangs, in ms. The worker extends it while it works. Default 30 000. */
  readonly lease?: number | undefined;
  /** Ends the work: no further messages are taken. */
  readonly signal?: AbortSignal | undefined;
  /** The text that ends the work. False: none does. Default "shutdown". */
  readonly shutdown?: string | false | undefined;
  /** Called with interrupts at once, in the middle of the work on other messages. One that returned is acknowledged. */
  readonly onInterrupt?: ((delivery: Delivery<Body>) => unknown) | undefined;
  /** Called with what a handler threw, and with claims that were lost. */
  readonly onError?: ((error: unknown, delivery: Delivery<Body>) => void) | undefined;
}

export type Handler<Body> = (delivery: Delivery<Body>) => unknown;

const KNOWN = ["concurrency", "lease", "signal", "shutdown", "onInterrupt", "onError"];
const DONE = { done: true, value: undefined } as const;
const FOREVER = { timeout: Number.POSITIVE_INFINITY } as const;

/**
 * The work on a box: an async iterable of deliveries. Several loops may run over it; together they have up to `concurrency` messages. Each
 * loop acknowledges a message when it asks for the next one, and gives it back when it is left. Settling a delivery itself is allowed.
 */
export class Work<Body = unknown> implements AsyncIterable<Delivery<Body>> {
  readonly concurrency: number;
  readonly #box: string;
  readonly #engine: Engine;
  readonly #lease: number;
  readonly #shutdown: string | false;
  readonly #onInterrupt: ((delivery: Delivery<Body>) => unknown) | undefined;
  readonly #onError: ((error: unknown, delivery: Delivery<Body>) => void) | undefined;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #abort = () => this.end();
  readonly #renewals = new Map<Delivery<Body>, Timer>();
  /** Deliveries that no loop has asked for yet, and loops that wait for one. */
  readonly #ready: Delivery<Body>[] = [];
  readonly #waiting: {
    resolve(result: IteratorResult<Delivery<Body>, undefined>): void;
    reject(error: unknown): void;
  }[] = [];
  /** Waits at the broker, and deliveries that loops have. */
  #asked = 0;
  #active = 0;
  #failure: { readonly error: unknown } | undefined;
  #begun = false;

  constructor(box: string, engine: Engine, options: WorkOptions<Body>) {
    checkOptions(options, KNOWN, "options");
    this.#box = box;
    this.#engine = engine;
    this.concurrency = checkInteger(options.concurrency ?? 1, "options.concurrency", 1, 1000);
    this.#lease = checkInteger(options.lease ?? LEASE, "options.lease", 1, MOST_LEASE);
    const { shutdown = "shutdown" } = options;
    if (shutdown !== false && typeof shutdown !== "string") {
      throw new InvalidArgumentError("options.shutdown", "a text or false", shutdown);
    }
    this.#shutdown = shutdown;
    this.#onInterrupt = checkFunction(options.onInterrupt, "options.onInterrupt");
    this.#onError = checkFunction(options.onError, "options.onError");
    this.#signal = checkSignal(options.signal, "options.signal");
  }

  /** Whether no further messages come. */
  get ended(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Takes no further messages. Loops end when they ask for the next one; what no loop has got goes back. */
  end(): void {
    if (this.ended) return;
    this.#stop.abort();
    if (this.#signal !== undefined) offAbort(this.#signal, this.#abort);
    for (const delivery of this.#ready.splice(0)) this.#quietly(delivery, this.#release(delivery).putBack());
    for (const { resolve } of this.#waiting.splice(0)) resolve(DONE);
  }

  [Symbol.asyncIterator](): AsyncIterator<Delivery<Body>, undefined> {
    this.#begin();
    let current: Delivery<Body> | undefined;
    const finish = async (settle: (delivery: Delivery<Body>) => Promise<void>) => {
      const delivery = current;
      current = undefined;
      if (delivery === undefined) return;
      this.#active--;
      this.#release(delivery);
      if (!delivery.settled) await settle(delivery).catch((error) => this.#lost(error, delivery));
    };
    return {
      next: async () => {
        await finish((delivery) => delivery.ack());
        const result = await this.#next();
        if (!result.done) current = result.value;
        return result;
      },
      return: async () => {
        await finish((delivery) => delivery.nack({ reason: "the loop over the work was left" }));
        this.end();
        return DONE;
      },
    };
  }

  /** Tells of an error of a handler. */
  tell(error: unknown, delivery: Delivery<Body>): void {
    this.#onError?.(error, delivery);
  }

  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    if (this.#signal?.aborted) this.end();
    else if (this.#signal !== undefined) onAbort(this.#signal, this.#abort);
    if (this.#onInterrupt !== undefined) void this.#takeInterrupts(this.#onInterrupt);
  }

  #next(): Promise<IteratorResult<Delivery<Body>, undefined>> {
    const delivery = this.#ready.shift();
    if (delivery !== undefined) {
      this.#active++;
      this.#fill();
      return Promise.resolve({ done: false, value: delivery });
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    if (this.ended) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#fill();
    });
  }

  /** Asks for as many messages as this worker may have. */
  #fill(): void {
    while (!this.ended && this.#asked + this.#active + this.#ready.length < this.concurrency) {
      this.#asked++;
      this.#take(undefined).then(
        (deliveries) => {
          this.#asked--;
          for (const delivery of deliveries) this.#arrived(delivery);
          this.#fill();
        },
        (error) => {
          this.#asked--;
          if (!this.ended) this.#fail(error);
        },
      );
    }
  }

  async #take(rank: number | undefined): Promise<Delivery<Body>[]> {
    const request = { box: this.#box, most: 1, lease: this.#lease, wait: true, rank };
    const messages = await take(this.#engine, request, { ...FOREVER, signal: this.#stop.signal });
    return messages.map((wire) => new Delivery<Body>(wire, this.#engine));
  }

  #arrived(delivery: Delivery<Body>): void {
    if (this.#shutdown !== false && delivery.body === this.#shutdown) {
      this.#quietly(delivery, delivery.ack());
      this.end();
      return;
    }
    if (this.ended) {
      this.#quietly(delivery, delivery.putBack());
      return;
    }
    this.#renew(delivery);
    if (delivery.priority === "interrupt" && this.#onInterrupt !== undefined) {
      void this.#interrupt(delivery, this.#onInterrupt);
      return;
    }
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#ready.push(delivery);
    else {
      this.#active++;
      waiting.resolve({ done: false, value: delivery });
    }
  }

  async #takeInterrupts(call: (delivery: Delivery<Body>) => unknown): Promise<void> {
    while (!this.ended) {
      try {
        for (const delivery of await this.#take(RANK.interrupt)) {
          if (this.#shutdown !== false && delivery.body === this.#shutdown) this.#arrived(delivery);
          else {
            this.#renew(delivery);
            void this.#interrupt(delivery, call);
          }
        }
      } catch (error) {
        if (!this.ended) this.#fail(error);
        return;
      }
    }
  }

  async #interrupt(delivery: Delivery<Body>, call: (delivery: Delivery<Body>) => unknown): Promise<void> {
    await settled(this, delivery, call);
    this.#release(delivery);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    const waiting = this.#waiting.splice(0);
    this.end();
    for (const { reject } of waiting) reject(error);
  }

  /** Extends the lease when half of it is over, again and again. */
  #renew(delivery: Delivery<Body>): void {
    const renew = () => {
      this.#renewals.set(delivery, setTimeout(extend, this.#lease / 2).unref());
    };
    const extend = () => {
      delivery.extend(this.#lease).then(
        () => {
          if (this.#renewals.has(delivery)) renew();
        },
        (error) => {
          if (this.#renewals.delete(delivery)) this.#lost(error, delivery);
        },
      );
    };
    renew();
  }

  /** Ends the extensions. */
  #release(delivery: Delivery<Body>): Delivery<Body> {
    clearTimeout(this.#renewals.get(delivery));
    this.#renewals.delete(delivery);
    return delivery;
  }

  #quietly(delivery: Delivery<Body>, settling: Promise<void>): void {
    settling.catch((error) => this.#lost(error, delivery));
  }

  /** A claim was lost: the message is somebody else's, or will come again. Without a listener that is no reason to end the work. */
  #lost(error: unknown, delivery: Delivery<Body>): void {
    if (this.#onError !== undefined) this.#onError(error, delivery);
    else if (!(error instanceof LeaseLostError) && !this.ended) this.#fail(error);
  }
}

/** Calls the handler with each delivery, `concurrency` at a time. Resolves at the end of the work. */
export async function workBy<Body>(work: Work<Body>, handler: Handler<Body>): Promise<void> {
  const loop = async () => {
    for await (const delivery of work) await settled(work, delivery, handler);
  };
  await Promise.all(Array.from({ length: work.concurrency }, loop));
}

/** Calls the handler, and settles what it has left open. */
async function settled<Body>(
  work: Work<Body>,
  delivery: Delivery<Body>,
  handler: Handler<Body>,
): Promise<void> {
  try {
    await handler(delivery);
    if (!delivery.settled) await delivery.ack();
  } catch (error) {
    try {
      work.tell(error, delivery);
    } catch (thrown) {
      raise(thrown);
    }
    const reason = error instanceof Error ? error.message : String(error);
    if (!delivery.settled) await delivery.nack({ reason }).catch(() => {});
  }
}

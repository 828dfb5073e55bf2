import { setImmediate } from "../clock.js";

/** Limits of the calls of a service. */
export interface GateLimits {
  /** The most handlers that run at the same time. */
  readonly concurrency: number;
  /** The most calls of one client that wait for that. */
  readonly queue: number;
}

/** A call that is to run. */
export interface Task {
  /** Never throws. */
  begin(): void;
}

/** So many waiting calls begin in one turn of the event loop; handlers that return at once would else hold it up. */
const MOST_IN_TURN = 64;

/**
 * Lets calls in, up to a number at the same time. Calls beyond it wait in a queue for each client, and the clients take turns, so that
 * one that floods holds up no other.
 */
export class Gate {
  readonly #limits: GateLimits;
  #running = 0;
  #filling = false;
  /** The queues that are not empty, in the order of their turns. */
  readonly #queues = new Map<object, Set<Task>>();

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  /** The number of calls that wait. */
  get waiting(): number {
    let count = 0;
    for (const queue of this.#queues.values()) count += queue.size;
    return count;
  }

  /**
   * Runs a call of a client now, or when it is its turn. Returns false if the client's queue is full; the call is then refused. Each
   * call that runs is followed by one `leave`.
   */
  enter(client: object, task: Task): boolean {
    if (this.#running < this.#limits.concurrency && this.#queues.size === 0) {
      this.#running++;
      task.begin();
      return true;
    }
    const queue = this.#queues.get(client);
    if ((queue?.size ?? 0) >= this.#limits.queue) return false;
    if (queue === undefined) this.#queues.set(client, new Set([task]));
    else queue.add(task);
    return true;
  }

  /** A call is over; one that waits gets its place. */
  leave(): void {
    this.#running--;
    // A handler that returns at once comes here again, from within the loop.
    if (!this.#filling && this.#queues.size > 0) this.#fill();
  }

  /** Takes out a call that waits, because nobody wants it any more. Returns false if it does not wait. */
  forget(client: object, task: Task): boolean {
    const queue = this.#queues.get(client);
    if (queue?.delete(task) !== true) return false;
    if (queue.size === 0) this.#queues.delete(client);
    return true;
  }

  #fill(): void {
    this.#filling = true;
    for (let begun = 0; this.#running < this.#limits.concurrency && this.#queues.size > 0; begun++) {
      if (begun === MOST_IN_TURN) {
        setImmediate(() => this.#fill());
        return;
      }
      this.#runNext();
    }
    this.#filling = false;
  }

  #runNext(): void {
    const [client, queue] = this.#queues.entries().next().value!;
    const task = queue.values().next().value!;
    queue.delete(task);
    // The client goes to the end of the order.
    this.#queues.delete(client);
    if (queue.size > 0) this.#queues.set(client, queue);
    this.#running++;
    task.begin();
  }
}

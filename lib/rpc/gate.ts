/** Limits of the calls of a service. */
export interface GateLimits {
  /** The most handlers that run at the same time. */
  readonly concurrency: number;
  /** The most calls of one client that wait for that. */
  readonly queue: number;
}

/** A call that is to run. */
export interface Task {
  begin(): void;
}

/**
 * Lets calls in, up to a number at the same time. Calls beyond it wait in a queue for each client, and the clients take turns, so that
 * one that floods holds up no other.
 */
export class Gate {
  readonly #limits: GateLimits;
  #running = 0;
  #filling = false;
  /** The queues that are not empty, in the order of their turns. */
  readonly #queues = new Map<object, Task[]>();

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  /**
   * Runs a call of a client now, or when it is its turn. Returns false if the client's queue is full; the call is then refused. Each
   * call that runs is followed by one `leave`.
   */
  enter(client: object, task: Task): boolean {
    if (this.#running < this.#limits.concurrency) {
      this.#running++;
      task.begin();
      return true;
    }
    const queue = this.#queues.get(client) ?? [];
    if (queue.length >= this.#limits.queue) return false;
    queue.push(task);
    this.#queues.set(client, queue);
    return true;
  }

  /** A call is over; one that waits gets its place. */
  leave(): void {
    this.#running--;
    // A handler that returns at once comes here again, from within the loop.
    if (this.#filling) return;
    this.#filling = true;
    while (this.#running < this.#limits.concurrency && this.#queues.size > 0) this.#runNext();
    this.#filling = false;
  }

  #runNext(): void {
    const [client, queue] = this.#queues.entries().next().value!;
    const task = queue.shift()!;
    // The client goes to the end of the order.
    this.#queues.delete(client);
    if (queue.length > 0) this.#queues.set(client, queue);
    this.#running++;
    task.begin();
  }
}

import { setImmediate } from "../clock.js";

/** Limits of calls: of all clients together, and of each of them. */
export interface GateLimits {
  /** The most calls that run at the same time. */
  readonly concurrency: number;
  /** The most calls that wait for that. */
  readonly queue: number;
  readonly concurrencyPerClient: number;
  readonly queuePerClient: number;
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
  readonly limits: GateLimits;
  #running = 0;
  #waiting = 0;
  #filling = false;
  /** The clients of which a call may begin as soon as there is a place, in the order of their turns. */
  readonly #turns = new Set<Entrance>();
  /** The clients that want to know when there is room in the queue. */
  readonly #interested = new Set<Entrance>();

  constructor(limits: GateLimits) {
    this.limits = limits;
  }

  /** The number of calls that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  get running(): number {
    return this.#running;
  }

  /** Whether no more calls may wait, whoever makes them. */
  get isFull(): boolean {
    return this.#waiting >= this.limits.queue;
  }

  /** Whether a call may begin now that nobody waits for. */
  get hasPlace(): boolean {
    return this.#running < this.limits.concurrency && this.#turns.size === 0;
  }

  /** Returns the way in of one client. `onRoom`: called after `wantRoom`, when there is room in the queue. */
  join(onRoom: () => void): Entrance {
    return new Entrance(this, onRoom);
  }

  /** Notes that a call runs, or has ended. */
  count(running: 1 | -1): void {
    this.#running += running;
  }

  /** Notes that a call waits, or does so no more. */
  countWaiting(waiting: 1 | -1): void {
    this.#waiting += waiting;
    if (waiting < 0 && this.#interested.size > 0) this.#tellRoom();
  }

  /** Gives a client its turn, behind the others. */
  enqueue(client: Entrance): void {
    this.#turns.add(client);
  }

  dequeue(client: Entrance): void {
    this.#turns.delete(client);
  }

  wantRoom(client: Entrance): void {
    this.#interested.add(client);
  }

  /** Begins calls that wait, as many as there are places. */
  fill(): void {
    // A handler that returns at once comes here again, from within the loop.
    if (this.#filling || this.#turns.size === 0) return;
    this.#filling = true;
    this.#fill();
  }

  #fill(): void {
    for (let begun = 0; this.#running < this.limits.concurrency && this.#turns.size > 0; begun++) {
      if (begun === MOST_IN_TURN) {
        setImmediate(() => this.#fill());
        return;
      }
      const client = this.#turns.values().next().value!;
      this.#turns.delete(client);
      client.beginNext();
    }
    this.#filling = false;
  }

  #tellRoom(): void {
    for (const client of [...this.#interested]) {
      if (!client.hasRoom) continue;
      this.#interested.delete(client);
      client.onRoom();
    }
  }
}

/** The way of one client's calls through a gate. */
export class Entrance {
  readonly onRoom: () => void;
  readonly #gate: Gate;
  readonly #queue = new Set<Task>();
  #running = 0;

  constructor(gate: Gate, onRoom: () => void) {
    this.#gate = gate;
    this.onRoom = onRoom;
  }

  /** Whether no more calls of this client may wait. */
  get isFull(): boolean {
    return this.#queue.size >= this.#gate.limits.queuePerClient || this.#gate.isFull;
  }

  /** Whether the client should be read on. One whose calls have all begun should, also where none may wait. */
  get hasRoom(): boolean {
    return this.#queue.size === 0 || !this.isFull;
  }

  /**
   * Runs a call now, or when it is its turn. Returns false if the queue is full; the call is then refused, unless it is `forced` to wait all
   * the same. Each call that runs is followed by one `leave`.
   */
  enter(task: Task, forced = false): boolean {
    const gate = this.#gate;
    if (gate.hasPlace && this.#mayRun) {
      this.#begin(task);
      return true;
    }
    if (this.isFull && !forced) return false;
    this.#queue.add(task);
    gate.countWaiting(1);
    if (this.#mayRun) gate.enqueue(this);
    return true;
  }

  /** A call is over; one that waits gets its place. */
  leave(): void {
    this.#running--;
    this.#gate.count(-1);
    if (this.#queue.size > 0) this.#gate.enqueue(this);
    this.#gate.fill();
  }

  /** Takes out a call that waits, because nobody wants it any more. Returns false if it does not wait. */
  forget(task: Task): boolean {
    if (!this.#queue.delete(task)) return false;
    if (this.#queue.size === 0) this.#gate.dequeue(this);
    this.#gate.countWaiting(-1);
    return true;
  }

  /** Asks for one `onRoom`. */
  wantRoom(): void {
    this.#gate.wantRoom(this);
  }

  /** Begins the call that has waited longest. Called when it is the client's turn. */
  beginNext(): void {
    const task = this.#queue.values().next().value!;
    this.#queue.delete(task);
    if (this.#queue.size > 0 && this.#running + 1 < this.#gate.limits.concurrencyPerClient) {
      this.#gate.enqueue(this);
    }
    this.#gate.countWaiting(-1);
    this.#begin(task);
  }

  get #mayRun(): boolean {
    return this.#running < this.#gate.limits.concurrencyPerClient;
  }

  #begin(task: Task): void {
    this.#running++;
    this.#gate.count(1);
    task.begin();
  }
}

import { setImmediate, soonUncaught } from "../clock.js";
import { BATCH_CHARACTERS, BATCH_EVENTS, Batch, batchFrom } from "./batch.js";
import type { SessionInterface } from "./carrier.js";
import type { EventLog } from "./event-log.js";

/** What stores the log. */
interface Store {
  /** Writes all that was appended. Returns false if it can't be written now. */
  commit(): boolean;
}

/** How many events one transaction has at most, and their characters: a turn with more has several. */
const TRANSACTION_EVENTS = 1024;
const TRANSACTION_CHARACTERS = 1024 * 1024;

/**
 * Sends the events that were appended: those of one burst together. Without a store they go when the code that appends them has returned;
 * with one, when the event loop has turned and they are stored. A burst that is long goes in parts, so that interfaces work meanwhile.
 */
export class Outlet {
  readonly #log: EventLog;
  readonly #interfaces: ReadonlySet<SessionInterface>;
  readonly #store: Store | undefined;
  readonly #mostEvents: number;
  readonly #mostCharacters: number;
  readonly #run = (): void => {
    this.#scheduled = false;
    this.settle();
  };
  #scheduled = false;
  #settling = false;
  /** The characters of events that are not ready. */
  #characters = 0;

  /** `maxEvents`: what the log keeps. It must not lose events before they are stored. */
  constructor(
    log: EventLog,
    interfaces: ReadonlySet<SessionInterface>,
    maxEvents: number,
    store: Store | undefined,
  ) {
    this.#log = log;
    this.#interfaces = interfaces;
    this.#store = store;
    this.#mostEvents =
      store === undefined ? BATCH_EVENTS : Math.min(TRANSACTION_EVENTS, Math.ceil(maxEvents / 2));
    this.#mostCharacters = store === undefined ? BATCH_CHARACTERS : TRANSACTION_CHARACTERS;
  }

  /** Called when an event of so many characters was appended. Hot. */
  appended(characters: number): void {
    const log = this.#log;
    if (this.#store === undefined && this.#interfaces.size === 0) {
      log.ready = log.last;
      return;
    }
    this.#characters += characters;
    if (log.last - log.ready >= this.#mostEvents || this.#characters >= this.#mostCharacters) this.settle();
    else this.schedule();
  }

  /** Settles soon: without a store as a microtask, with one in the loop's next turn. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (this.#store === undefined) soonUncaught(this.#run);
    else setImmediate(this.#run);
  }

  /** Stores what was appended and sends it, as far as interfaces have room. Returns false if it can't be stored now. */
  settle(): boolean {
    const log = this.#log;
    // A listener of a program that is told of something meanwhile may append, and ask for this.
    if (this.#settling) return log.ready === log.last;
    this.#settling = true;
    try {
      do {
        const { last } = log;
        this.#characters = 0;
        if (this.#store?.commit() === false) return false;
        this.#send(last);
      } while (log.ready < log.last);
      return true;
    } finally {
      this.#settling = false;
    }
  }

  #push(batch: Batch): void {
    let hasOthers = false;
    for (const { feed } of this.#interfaces) {
      if (feed.takesBatches) feed.push(batch);
      else hasOthers = true;
    }
    if (!hasOthers) return;
    // One event after the other to all, so that what their carriers make of an event is made once.
    for (let sequence = batch.first; sequence <= batch.last; sequence++) {
      const one = new Batch(this.#log, sequence, sequence);
      for (const { feed } of this.#interfaces) if (!feed.takesBatches) feed.push(one);
    }
  }

  #send(last: number): void {
    const log = this.#log;
    let first = Math.max(log.ready + 1, log.first);
    log.ready = last;
    if (this.#interfaces.size === 0) return;
    while (first <= last) {
      const batch = batchFrom(log, first, last);
      this.#push(batch);
      // A program that is told of something meanwhile may append so much that the log loses these.
      first = Math.max(batch.last + 1, log.first);
    }
  }
}

import { now } from "../clock.js";

/*
 * The events of a session, as the JSON text that goes to interfaces. The log is the only queue: an interface has no more than a position
 * in it, so interfaces that are slow, many or dead cost no memory.
 */

export interface LogLimits {
  /** The most events that are kept. */
  readonly maxEvents: number;
  /** The most characters of JSON that are kept. The last event is kept whatever its length. */
  readonly maxBytes: number;
  /** How long an event is kept, in ms. */
  readonly maxAge: number;
}

/** A queue of a fixed number of fields in arrays that grow by doubling. An entry is found by its sequence number alone. */
export class EventLog {
  /** The sequence number of the oldest event that is kept; one above `last` if there is none. */
  first = 1;
  /** The sequence number of the newest event; 0 before the first. */
  last = 0;
  /** The sequence number of the newest event that interfaces may get. With a store, those after it are not stored yet. */
  ready = 0;
  /** The characters of JSON that are kept. */
  bytes = 0;
  readonly #limits: LogLimits;
  readonly #timed: boolean;
  #mask = 63;
  #texts: (string | undefined)[] = new Array(64);
  #classes: (string | undefined)[] = new Array(64);
  #times: number[] = [];
  /** The newest event of each class. */
  readonly #newest = new Map<string, number>();

  constructor(limits: LogLimits) {
    this.#limits = limits;
    this.#timed = limits.maxAge < Number.POSITIVE_INFINITY;
  }

  /** The number of events that are kept. */
  get size(): number {
    return this.last - this.first + 1;
  }

  /** Appends the text of an event, and drops the oldest ones beyond the limits. `age`: how old it is, in ms. */
  push(text: string, kind: string, age = 0): void {
    if (this.size > this.#mask) this.#grow();
    const sequence = ++this.last;
    const at = sequence & this.#mask;
    this.#texts[at] = text;
    this.#classes[at] = kind;
    if (this.#timed) this.#times[at] = now() - age;
    this.#newest.set(kind, sequence);
    this.bytes += text.length;
    const { maxEvents, maxBytes } = this.#limits;
    while (this.size > maxEvents || (this.bytes > maxBytes && this.size > 1)) this.#dropOldest();
    if (this.#timed) this.expire();
  }

  /** Empties the log. The next event comes after `last`. */
  beginAfter(last: number): void {
    this.#texts.fill(undefined);
    this.bytes = 0;
    this.first = last + 1;
    this.last = last;
    this.ready = last;
  }

  /** The text of an event that is kept. */
  text(sequence: number): string {
    return this.#texts[sequence & this.#mask]!;
  }

  /** How old an event is, in ms. 0 where events are of any age. */
  ageOf(sequence: number): number {
    return this.#timed ? now() - this.#times[sequence & this.#mask]! : 0;
  }

  /** The class of an event that is kept. */
  classOf(sequence: number): string {
    return this.#classes[sequence & this.#mask]!;
  }

  /** Whether a newer event has the class of this one. */
  isSuperseded(sequence: number): boolean {
    return this.#newest.get(this.classOf(sequence))! > sequence;
  }

  /** The share of the limits that the events from `sequence` on take, by number. */
  shareFrom(sequence: number): number {
    return (this.last - sequence + 1) / this.#limits.maxEvents;
  }

  /** The share of the limit on bytes that is taken. */
  get byteShare(): number {
    return this.bytes / this.#limits.maxBytes;
  }

  /** Whether the next event pushes out others. */
  get isFull(): boolean {
    return this.size >= this.#limits.maxEvents || this.bytes >= this.#limits.maxBytes;
  }

  /** Drops the events that are too old. Called before the log is read. */
  expire(): void {
    if (!this.#timed) return;
    const oldest = now() - this.#limits.maxAge;
    while (this.size > 0 && this.#times[this.first & this.#mask]! < oldest) this.#dropOldest();
  }

  #dropOldest(): void {
    const at = this.first & this.#mask;
    this.bytes -= this.#texts[at]!.length;
    this.#texts[at] = undefined;
    this.first++;
  }

  #grow(): void {
    const size = (this.#mask + 1) * 2;
    const texts = new Array<string | undefined>(size);
    const classes = new Array<string | undefined>(size);
    const times: number[] = [];
    for (let sequence = this.first; sequence <= this.last; sequence++) {
      const from = sequence & this.#mask;
      const to = sequence & (size - 1);
      texts[to] = this.#texts[from];
      classes[to] = this.#classes[from];
      if (this.#timed) times[to] = this.#times[from]!;
    }
    this.#mask = size - 1;
    this.#texts = texts;
    this.#classes = classes;
    this.#times = times;
  }
}

import type { EventLog } from "./event-log.js";

/* Events go in batches where several are there at once: one message, one JSON array of them, encoded once for all interfaces. */

/** The most events of a batch, and the characters after which no more are added to one. */
export const BATCH_EVENTS = 128;
export const BATCH_CHARACTERS = 16 * 1024;

/** Consecutive events of a log. */
export class Batch {
  readonly first: number;
  readonly last: number;
  readonly #log: EventLog;
  #bytes: Uint8Array | undefined;

  constructor(log: EventLog, first: number, last: number) {
    this.#log = log;
    this.first = first;
    this.last = last;
  }

  get count(): number {
    return this.last - this.first + 1;
  }

  /** The message of the data lane, in UTF-8. Made when it is first asked for. */
  get bytes(): Uint8Array {
    this.#bytes ??= Buffer.from(`[${this.#texts().join()}]`);
    return this.#bytes;
  }

  #texts(): string[] {
    const texts: string[] = [];
    for (let sequence = this.first; sequence <= this.last; sequence++) texts.push(this.#log.text(sequence));
    return texts;
  }
}

/** The events from `first` on, at most to `last`, that go in one message. The log must have them. */
export function batchFrom(log: EventLog, first: number, last: number): Batch {
  const end = Math.min(last, first + BATCH_EVENTS - 1);
  let to = first;
  let length = log.text(first).length;
  while (to < end && length < BATCH_CHARACTERS) {
    to++;
    length += log.text(to).length;
  }
  // The one that made it too long goes in the next batch.
  if (length > BATCH_CHARACTERS && to > first) to--;
  return new Batch(log, first, to);
}

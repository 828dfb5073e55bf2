import type { Tables } from "../store/tables.js";

/** The name of the number under which the tables keep how far positions are reserved. */
const RESERVED = "reserved";
/** How many positions are reserved at a time. After a crash those that were not given are skipped. */
const RESERVE = 100_000;

/** Gives the numbers of messages: each greater than all before, also after a crash, and without a write for each. */
export class Positions {
  readonly #tables: Tables;
  #last: number;
  #reserved: number;

  constructor(tables: Tables) {
    this.#tables = tables;
    this.#last = tables.number(RESERVED);
    this.#reserved = this.#last;
  }

  /** Positions above the first number and up to the second are new, and reserved already: no other message will ever have them. */
  get free(): readonly [last: number, reserved: number] {
    return [this.#last, this.#reserved];
  }

  /** Stands in a turn. */
  next(): number {
    if (this.#last >= this.#reserved) {
      this.#reserved = this.#last + RESERVE;
      this.#tables.setNumber(RESERVED, this.#reserved);
    }
    return ++this.#last;
  }

  /** Reads what is reserved, after a turn that failed. */
  reload(): void {
    this.#reserved = this.#tables.number(RESERVED);
    if (this.#last > this.#reserved) this.#last = this.#reserved;
  }
}

import type { Task } from "./gate.js";

/** A request that goes out now, or when earlier calls have been answered. */
export class Departure implements Task {
  readonly params: unknown;
  /** Whether it has not gone out. */
  waits = true;
  readonly #depart: () => void;

  constructor(params: unknown, depart: () => void) {
    this.params = params;
    this.#depart = depart;
  }

  begin(): void {
    this.waits = false;
    this.#depart();
  }
}

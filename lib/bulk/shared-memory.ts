import type { Mapping } from "./mapping.js";

/**
 * Memory with several holders: handles of this thread, and handles that were sent over channels, each counted
 * once. It is freed with the last one.
 */
export class SharedMemory {
  readonly mapping: Mapping;
  /** The bytes of the block. The mapping may be longer. */
  readonly length: number;
  readonly sealed: boolean;
  readonly #whenFree: Set<() => void>;
  #holders = 0;

  /** `whenFree` is called when the memory is freed. */
  constructor(mapping: Mapping, length: number, sealed: boolean, whenFree: () => void) {
    this.mapping = mapping;
    this.length = length;
    this.sealed = sealed;
    this.#whenFree = new Set([whenFree]);
  }

  /** Counts one handle more. */
  hold(): void {
    this.#holders++;
  }

  /** Counts one handle less. The last one frees the memory. */
  drop(): void {
    this.#holders--;
    if (this.#holders > 0) return;
    this.mapping.close();
    for (const tell of this.#whenFree) tell();
    this.#whenFree.clear();
  }

  /** Calls `tell` when the memory is freed. */
  onFree(tell: () => void): void {
    this.#whenFree.add(tell);
  }

  /** Undoes `onFree`. */
  offFree(tell: () => void): void {
    this.#whenFree.delete(tell);
  }
}

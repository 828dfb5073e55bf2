import type { Mapping } from "./mapping.js";

/**
 * Memory with several holders: handles of this thread, and those that were sent over channels, each counted once. It is
 * freed with the last.
 */
export class SharedMemory {
  readonly mapping: Mapping;
  /** Bytes of the block; the mapping may be longer. */
  readonly length: number;
  readonly sealed: boolean;
  readonly #whenFree: Set<() => void>;
  #holders = 0;

  /** `whenFree`: the memory is no more. */
  constructor(mapping: Mapping, length: number, sealed: boolean, whenFree: () => void) {
    this.mapping = mapping;
    this.length = length;
    this.sealed = sealed;
    this.#whenFree = new Set([whenFree]);
  }

  /** One handle more. */
  hold(): void {
    this.#holders++;
  }

  /** One handle less. */
  drop(): void {
    this.#holders--;
    if (this.#holders > 0) return;
    this.mapping.close();
    for (const tell of this.#whenFree) tell();
    this.#whenFree.clear();
  }

  /** Has `tell` called when the memory is freed. */
  onFree(tell: () => void): void {
    this.#whenFree.add(tell);
  }

  /** Not any more. */
  offFree(tell: () => void): void {
    this.#whenFree.delete(tell);
  }
}

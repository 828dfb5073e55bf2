import { BlockError } from "../errors.js";
import type { Lease } from "./lease.js";
import { type Tenancy, tieToView, tracePlace, watchLease } from "./lost.js";
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

  get holders(): number {
    return this.#holders;
  }

  /** A new handle of this thread. */
  lease(): SharedLease {
    this.#holders++;
    return new SharedLease(this);
  }

  /** A handle of this thread for one that was elsewhere and came back. */
  leaseForReturned(): SharedLease {
    return new SharedLease(this);
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

/** A handle of shared memory in this thread. */
export class SharedLease implements Lease {
  readonly memory: SharedMemory;
  readonly bytes: Uint8Array;
  readonly shared = true;
  readonly #tenancy: Tenancy;

  constructor(memory: SharedMemory) {
    this.memory = memory;
    this.bytes = memory.mapping.view(0, memory.length);
    this.#tenancy = {
      lost: () => memory.drop(),
      held: true,
      bytes: memory.length,
      kind: "allocated",
      place: tracePlace(),
    };
    watchLease(this, this.#tenancy);
    tieToView(this.bytes, this);
  }

  get length(): number {
    return this.memory.length;
  }

  get sealed(): boolean {
    return this.memory.sealed;
  }

  release(): void {
    this.#leave();
    this.memory.drop();
  }

  /** The handle was sent: its count is kept by whom it was sent through. */
  sent(): void {
    this.#leave();
  }

  share(count: number): Lease[] {
    const leases = Array.from({ length: count }, () => this.memory.lease());
    this.release();
    return leases;
  }

  seal(): Lease {
    if (this.sealed) return this;
    throw new BlockError("the block is shared already; seal a block first, then share it");
  }

  #leave(): void {
    this.memory.mapping.revoke(this.bytes);
    this.#tenancy.held = false;
  }
}

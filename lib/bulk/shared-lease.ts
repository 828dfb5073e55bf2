import { BlockError } from "../errors.js";
import type { Lease } from "./lease.js";
import { type Tenancy, tieToView, tracePlace, unwatchLease, watchLease } from "./lost.js";
import type { SharedMemory } from "./shared-memory.js";

/** A handle of shared memory in this thread. The memory's count includes it already. */
export class SharedLease implements Lease {
  readonly memory: SharedMemory;
  readonly shared = true;
  #view: Uint8Array;
  readonly #tenancy: Tenancy;

  constructor(memory: SharedMemory) {
    this.memory = memory;
    this.#view = memory.mapping.view(0, memory.length);
    this.#tenancy = {
      lost: () => memory.drop(),
      held: true,
      bytes: memory.length,
      kind: "allocated",
      place: tracePlace(),
    };
    watchLease(this, this.#tenancy);
    tieToView(this.#view, this);
  }

  /** The memory; a fresh view if a program has taken the buffer of the last one. */
  get bytes(): Uint8Array {
    if (this.#view.length !== this.length) {
      this.#view = this.memory.mapping.view(0, this.length);
      tieToView(this.#view, this);
    }
    return this.#view;
  }

  get ledger(): SharedMemory {
    return this.memory;
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

  /** Ends the use of a handle that was sent. The connection takes over its count. */
  sent(): void {
    this.#leave();
  }

  share(count: number): Lease[] {
    const leases = shareOut(this.memory, count);
    this.release();
    return leases;
  }

  seal(): Lease {
    if (this.sealed) return this;
    throw new BlockError("the block is shared already; seal a block first, then share it");
  }

  #leave(): void {
    this.memory.mapping.revoke(this.#view);
    this.#tenancy.held = false;
    unwatchLease(this.#tenancy);
  }
}

/** Makes new handles of the memory in this thread. */
export function shareOut(memory: SharedMemory, count: number): SharedLease[] {
  return Array.from({ length: count }, () => {
    memory.hold();
    return new SharedLease(memory);
  });
}

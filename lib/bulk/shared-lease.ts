import { BlockError } from "../errors.js";
import type { Lease } from "./lease.js";
import { type Tenancy, tieToView, tracePlace, watchLease } from "./lost.js";
import type { SharedMemory } from "./shared-memory.js";

/** A handle of shared memory in this thread. The memory's count includes it already. */
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
    this.memory.mapping.revoke(this.bytes);
    this.#tenancy.held = false;
  }
}

/** Makes new handles of the memory in this thread. */
export function shareOut(memory: SharedMemory, count: number): SharedLease[] {
  return Array.from({ length: count }, () => {
    memory.hold();
    return new SharedLease(memory);
  });
}

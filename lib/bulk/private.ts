import { BlockError } from "../errors.js";
import type { Lease } from "./lease.js";
import { type Tenancy, tieToView, tracePlace, watchLease } from "./lost.js";
import type { PrivateBytes, PrivateMemory } from "./private-memory.js";

/*
 * Blocks in private memory. Their bytes are copied when they are sent, so a block has all of its memory to
 * itself. A program may go on writing to a view that it kept after a send. The receiver does not see that
 * once the bytes are on their way; until then it may.
 */

/** The owner of the memory. */
export interface PrivateOwner {
  readonly memory: PrivateMemory;
  /**
   * Called when no lease of the block is left. `id`: the peer's number for the block, or OURS. `length`: in
   * bytes; a program may have transferred the buffer, so `bytes` may be empty.
   */
  released(bytes: PrivateBytes, id: number, length: number): void;
}

/**
 * A block's memory, and the number of its leases. It refers to no lease, so that leases can be
 * garbage-collected.
 */
class Holding {
  readonly owner: PrivateOwner;
  readonly id: number;
  readonly length: number;
  leases = 1;

  constructor(owner: PrivateOwner, id: number, length: number) {
    this.owner = owner;
    this.id = id;
    this.length = length;
  }

  /** Counts one lease less. The last one gives the memory back. */
  drop(bytes: PrivateBytes): void {
    this.leases--;
    if (this.leases === 0) this.owner.released(bytes, this.id, this.length);
    // In checked mode each lease has bytes of its own.
    else if (this.owner.memory.checked) this.owner.memory.give(bytes);
  }
}

/** The id of a block of this side. */
export const OURS = -1;

export class PrivateLease implements Lease {
  readonly memory = undefined;
  readonly length: number;
  readonly sealed: boolean;
  readonly shared: boolean;
  readonly #holding: Holding;
  readonly #tenancy: Tenancy & { view: PrivateBytes };
  /** The view that the program sees. */
  #shown: PrivateBytes | undefined;

  /** Makes the only lease of a block. `id`: the peer's number for the block, or OURS. */
  static of(
    owner: PrivateOwner,
    bytes: PrivateBytes,
    id: number,
    sealed: boolean,
    shared: boolean,
  ): PrivateLease {
    return new PrivateLease(new Holding(owner, id, bytes.length), bytes, sealed, shared, tracePlace());
  }

  private constructor(
    holding: Holding,
    bytes: PrivateBytes,
    sealed: boolean,
    shared: boolean,
    place: string | undefined,
  ) {
    this.length = holding.length;
    this.sealed = sealed;
    this.shared = shared;
    this.#holding = holding;
    const tenancy: Tenancy & { view: PrivateBytes } = {
      lost: () => holding.drop(tenancy.view),
      held: true,
      bytes: holding.length,
      kind: holding.id === OURS ? "allocated" : "received",
      place,
      view: bytes,
    };
    this.#tenancy = tenancy;
    watchLease(this, tenancy);
  }

  get bytes(): Uint8Array {
    const { view } = this.#tenancy;
    if (this.#shown?.buffer !== view.buffer) {
      // This view differs from the tenancy's view: the registry keeps that one alive, and the lease with it.
      this.#shown = new Uint8Array(view.buffer, view.byteOffset, view.length);
      tieToView(this.#shown, this);
    }
    return this.#shown;
  }

  get ledger(): PrivateOwner {
    return this.#holding.owner;
  }

  /** The peer's number for the block, or OURS. */
  get id(): number {
    return this.#holding.id;
  }

  release(): void {
    this.#tenancy.held = false;
    this.#holding.drop(this.#tenancy.view);
  }

  /** Takes the only lease of a block away from its program. Returns the bytes. */
  surrender(): PrivateBytes {
    this.#tenancy.held = false;
    return this.#pages.handOver(this.#tenancy.view);
  }

  /** Takes the bytes away from the program; the lease keeps them. */
  withdraw(): void {
    this.#tenancy.view = this.#pages.handOver(this.#tenancy.view);
  }

  share(count: number): Lease[] {
    this.#mustBeOurs("share");
    this.withdraw();
    const { view } = this.#tenancy;
    const views = Array.from({ length: count }, (_, i) => (i === 0 ? view : this.#another(view)));
    this.#holding.leases += count - 1;
    return views.map((each) => this.#successor(each, this.sealed, true));
  }

  /**
   * Marks the block as sealed. Receivers get copies in any case, and this side can still write to its own
   * views.
   */
  seal(): Lease {
    if (this.sealed) return this;
    this.#mustBeOurs("seal");
    if (this.shared) throw new BlockError("the block is shared already; seal a block first, then share it");
    this.withdraw();
    return this.#successor(this.#tenancy.view, true, false);
  }

  get #pages(): PrivateMemory {
    return this.#holding.owner.memory;
  }

  /** Makes a lease of the same block in place of this one. */
  #successor(view: PrivateBytes, sealed: boolean, shared: boolean): PrivateLease {
    this.#tenancy.held = false;
    return new PrivateLease(this.#holding, view, sealed, shared, this.#tenancy.place);
  }

  /**
   * Returns the bytes for one more lease. In checked mode each lease needs a buffer of its own, which can be
   * taken away.
   */
  #another(view: PrivateBytes): PrivateBytes {
    if (!this.#pages.checked) return view;
    const copy = this.#pages.take(view.length);
    copy.set(view);
    return copy;
  }

  #mustBeOurs(verb: string): void {
    if (this.id === OURS) return;
    throw new BlockError(
      `only its sender can ${verb} a block that was received; copy it into one of your own`,
    );
  }
}

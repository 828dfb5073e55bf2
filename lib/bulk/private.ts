import { BlockError } from "../errors.js";
import type { Lease } from "./lease.js";
import { type Tenancy, tieToView, tracePlace, unwatchLease, watchLease } from "./lost.js";
import type { PrivateBytes, PrivateMemory } from "./private-memory.js";

/*
 * Blocks in private memory. Their bytes are copied when they are sent, so a block has all of its memory to
 * itself. A program may go on writing to a view that it kept after a send. The receiver does not see that
 * once the bytes are on their way; until then it may.
 */

/** The ledger that has a private block. */
export class PrivateLedger {
  readonly kind: Tenancy["kind"];
  readonly memory: PrivateMemory;
  readonly #whenReleased: (length: number) => void;

  /** `whenReleased` is called when no lease of a block of `length` bytes is left. */
  constructor(kind: Tenancy["kind"], memory: PrivateMemory, whenReleased: (length: number) => void) {
    this.kind = kind;
    this.memory = memory;
    this.#whenReleased = whenReleased;
  }

  /** The bytes of a block come back. A program may have transferred the buffer, so `bytes` may be empty; `length` is the block's. */
  released(bytes: PrivateBytes, length: number): void {
    this.memory.give(bytes);
    this.#whenReleased(length);
  }
}

/** A block's memory, and the number of its leases. It refers to no lease, so that leases can be garbage-collected. */
class Holding {
  ledger: PrivateLedger;
  readonly length: number;
  leases = 1;

  constructor(ledger: PrivateLedger, length: number) {
    this.ledger = ledger;
    this.length = length;
  }

  /** Counts one lease less. The last one gives the memory back. */
  drop(bytes: PrivateBytes): void {
    this.leases--;
    if (this.leases === 0) this.ledger.released(bytes, this.length);
    // In checked mode each lease has bytes of its own.
    else if (this.ledger.memory.checked) this.ledger.memory.give(bytes);
  }
}

export class PrivateLease implements Lease {
  readonly memory = undefined;
  readonly length: number;
  readonly sealed: boolean;
  readonly shared: boolean;
  readonly #holding: Holding;
  readonly #tenancy: Tenancy & { view: PrivateBytes };
  /** The view that the program sees. */
  #shown: PrivateBytes | undefined;

  /** Makes the only lease of a block. */
  static of(ledger: PrivateLedger, bytes: PrivateBytes, sealed: boolean, shared: boolean): PrivateLease {
    return new PrivateLease(new Holding(ledger, bytes.length), bytes, sealed, shared, tracePlace());
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
      kind: holding.ledger.kind,
      place,
      view: bytes,
    };
    this.#tenancy = tenancy;
    watchLease(this, tenancy);
  }

  get bytes(): Uint8Array {
    const { view } = this.#tenancy;
    // Memory that was taken is gone: it was the engine's own, and no other view can show it.
    if (view.length !== this.length) throw new BlockError("the memory of the block was transferred");
    if (this.#shown?.buffer !== view.buffer) {
      // This view differs from the tenancy's view: the registry keeps that one alive, and the lease with it.
      this.#shown = new Uint8Array(view.buffer, view.byteOffset, view.length);
      tieToView(this.#shown, this);
    }
    return this.#shown;
  }

  get ledger(): PrivateLedger {
    return this.#holding.ledger;
  }

  release(): void {
    this.#leave();
    this.#holding.drop(this.#tenancy.view);
  }

  /** Takes the bytes away from the program; the lease keeps them. */
  withdraw(): void {
    this.#tenancy.view = this.#memory.handOver(this.#tenancy.view);
  }

  /** Moves the block to another ledger. This must be its only lease. */
  moveTo(ledger: PrivateLedger): void {
    this.#holding.ledger = ledger;
  }

  share(count: number): Lease[] {
    this.#mustBeOurs("share");
    this.withdraw();
    const { view } = this.#tenancy;
    const views = Array.from({ length: count }, (_, i) => (i === 0 ? view : this.#another(view)));
    this.#holding.leases += count - 1;
    return views.map((each) => this.#successor(each, this.sealed, true));
  }

  /** Marks the block as sealed. Receivers get copies in any case, and this side can still write to its own views. */
  seal(): Lease {
    this.#mustBeOurs("seal");
    if (this.sealed) return this;
    if (this.shared)
      throw new BlockError("a shared block can't be sealed any more; seal it first, then share it");
    this.withdraw();
    return this.#successor(this.#tenancy.view, true, false);
  }

  get #memory(): PrivateMemory {
    return this.#holding.ledger.memory;
  }

  /** Makes a lease of the same block in place of this one. */
  #successor(view: PrivateBytes, sealed: boolean, shared: boolean): PrivateLease {
    this.#leave();
    return new PrivateLease(this.#holding, view, sealed, shared, this.#tenancy.place);
  }

  #leave(): void {
    this.#tenancy.held = false;
    unwatchLease(this.#tenancy);
  }

  /** Returns the bytes for one more lease. In checked mode each lease needs a buffer of its own, which can be taken away. */
  #another(view: PrivateBytes): PrivateBytes {
    if (!this.#memory.checked) return view;
    const copy = this.#memory.take(view.length);
    copy.set(view);
    return copy;
  }

  #mustBeOurs(verb: string): void {
    if (this.#holding.ledger.kind === "allocated") return;
    throw new BlockError(
      `only its sender can ${verb} a block that was received; copy it into one of your own`,
    );
  }
}

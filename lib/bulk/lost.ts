/*
 * Blocks that are garbage-collected without having been released. Their memory comes back, but at an unknown
 * time. A program that relies on this runs out of memory for blocks while the collector sees no reason to
 * run. So the program is warned, once.
 */

/** The data of a lease that is needed after the lease is lost. Must not refer to the lease. */
export interface Tenancy {
  /** Takes the memory back. */
  lost(): void;
  /** Whether a block has the lease. */
  held: boolean;
  bytes: number;
  readonly kind: "received" | "allocated";
  /** The stack where the block was made or received, if that is traced. */
  place: string | undefined;
}

const registry = new FinalizationRegistry<Tenancy>((tenancy) => {
  if (!tenancy.held) return;
  warnOnce(tenancy);
  tenancy.lost();
});

/**
 * Called once for each lease, when it is made. `tenancy.lost()` is called after the lease was collected, if a
 * block had it. Code that keeps leases for later use must therefore not refer to a lease while a block has
 * it.
 */
export function watchLease(lease: object, tenancy: Tenancy): void {
  registry.register(lease, tenancy, tenancy);
}

/**
 * Undoes `watchLease`, for a lease that no block has and none will have. The registry holds each tenancy, and
 * with it the ledger, for as long as the lease is watched.
 */
export function unwatchLease(tenancy: Tenancy): void {
  registry.unregister(tenancy);
}

const leases = new WeakMap<Uint8Array, object>();

/** Keeps the lease alive as long as the program has its view, even if its block is collected. */
export function tieToView(view: Uint8Array, lease: object): void {
  leases.set(view, lease);
}

const tracing = process.env.RINGBELL_TRACE_BLOCKS === "1";

/** Returns the stack of the caller if RINGBELL_TRACE_BLOCKS=1. */
export function tracePlace(): string | undefined {
  if (!tracing) return undefined;
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 20;
  const stack = new Error().stack ?? "";
  Error.stackTraceLimit = stackTraceLimit;
  // `slice` removes the message and this function.
  return stack.split("\n").slice(2).join("\n");
}

let warned = false;

function warnOnce({ bytes, kind, place }: Tenancy): void {
  if (warned) return;
  warned = true;
  const made = kind === "received" ? "received" : "allocated";
  const where =
    place === undefined
      ? `; set RINGBELL_TRACE_BLOCKS=1 to see where it was ${made}`
      : `, ${made} at\n${place}\n`;
  process.emitWarning(
    `a block of ${bytes} bytes was garbage-collected without release()${where}; its memory came back, but late. ` +
      "This warning comes once",
    { type: "RingbellWarning" },
  );
}

/*
 * Blocks that are garbage-collected without having been released. Their memory comes back, but nobody knows when: a program that relies
 * on it runs out of memory for blocks while the collector sees no reason to run. So it is told, once.
 */

/** Where a lease belongs, for when it is lost. Must not refer to the lease. */
export interface Tenancy {
  /** Takes the memory back. */
  lost(): void;
  /** Whether a block has the lease. */
  held: boolean;
  bytes: number;
  readonly kind: "received" | "allocated";
  /** Where the block was made or received, if that is traced. */
  place: string | undefined;
}

const registry = new FinalizationRegistry<Tenancy>((tenancy) => {
  if (!tenancy.held) return;
  warnOnce(tenancy);
  tenancy.lost();
});

/**
 * Once for each lease, when it is made: `tenancy.lost()` is called after the lease was collected, if it was held. So whoever keeps
 * leases for later use must not refer to one while a block does.
 */
export function watchLease(lease: object, tenancy: Tenancy): void {
  registry.register(lease, tenancy);
}

const leases = new WeakMap<Uint8Array, object>();

/** As long as somebody has the view of a lease, the lease is not lost, even if its block is. */
export function tieToView(view: Uint8Array, lease: object): void {
  leases.set(view, lease);
}

const tracing = process.env.RINGBELL_TRACE_BLOCKS === "1";

/** The stack of the caller, if RINGBELL_TRACE_BLOCKS=1. */
export function tracePlace(): string | undefined {
  if (!tracing) return undefined;
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 20;
  const stack = new Error().stack ?? "";
  Error.stackTraceLimit = stackTraceLimit;
  // Without the message, and this function.
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

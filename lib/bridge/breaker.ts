/*
 * The circuit breaker of a client, as a function of its state, an event and the time: it has no timer, and changes nothing. While it is
 * closed the client gets each event. Open, it gets summaries and a snapshot from time to time, until it has shown that it takes them.
 */

export interface BreakerLimits {
  /** How long a client may take nothing, though its window is full, in ms. */
  readonly stallAfter: number;
  /** How many events it may be behind. */
  readonly maxLag: number;
  /** How many refused messages in a row it may send. */
  readonly maxErrors: number;
  /** The least time between two snapshots, in ms. */
  readonly snapshotEvery: number;
  /** How many snapshots in a row it must take in time. */
  readonly recoverAfter: number;
}

export interface BreakerState {
  readonly mode: "live" | "summary";
  /** Why it opened. */
  readonly why: "stalled" | "behind" | "errors" | undefined;
  readonly errors: number;
  /** When the last snapshot was sent, in summary mode. */
  readonly snapshotAt: number | undefined;
  /** Snapshots in a row that were taken in time. */
  readonly good: number;
}

export type BreakerEvent =
  /** So is the client now: for how long it has taken nothing that waits, and how far it is behind. */
  | { readonly type: "looked"; readonly stalledFor: number; readonly lag: number }
  | { readonly type: "refused" }
  | { readonly type: "heeded" }
  | { readonly type: "snapshot" }
  /** The client has taken all that was sent. */
  | { readonly type: "caught-up" };

export const CLOSED_BREAKER: BreakerState = {
  mode: "live",
  why: undefined,
  errors: 0,
  snapshotAt: undefined,
  good: 0,
};

export function step(
  state: BreakerState,
  event: BreakerEvent,
  now: number,
  limits: BreakerLimits,
): BreakerState {
  switch (event.type) {
    case "looked":
      if (state.mode === "summary")
        return event.stalledFor >= limits.stallAfter ? { ...state, good: 0 } : state;
      if (event.stalledFor >= limits.stallAfter) return opened(state, "stalled");
      return event.lag > limits.maxLag ? opened(state, "behind") : state;
    case "refused": {
      const errors = state.errors + 1;
      return errors >= limits.maxErrors && state.mode === "live"
        ? { ...opened(state, "errors"), errors }
        : { ...state, errors, good: 0 };
    }
    case "heeded":
      return state.errors === 0 ? state : { ...state, errors: 0 };
    case "snapshot":
      return { ...state, snapshotAt: now };
    case "caught-up": {
      if (state.mode === "live" || state.snapshotAt === undefined) return state;
      const good = now - state.snapshotAt <= limits.stallAfter ? state.good + 1 : 0;
      return good >= limits.recoverAfter && state.errors < limits.maxErrors
        ? CLOSED_BREAKER
        : { ...state, good };
    }
  }
}

/** Whether a snapshot may be sent now. */
export function isSnapshotDue(state: BreakerState, now: number, limits: BreakerLimits): boolean {
  return (
    state.mode === "summary" &&
    (state.snapshotAt === undefined || now - state.snapshotAt >= limits.snapshotEvery)
  );
}

function opened(state: BreakerState, why: "stalled" | "behind" | "errors"): BreakerState {
  return { ...state, mode: "summary", why, good: 0, snapshotAt: undefined };
}

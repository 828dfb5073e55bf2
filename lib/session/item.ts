/* What an interface gets. The browser client has this file in it, so it needs nothing of Node. */

/** Why a snapshot came. */
export type SnapshotReason =
  /** The interface began with it. */
  | "attach"
  /** The events after the cursor of the interface are no longer in the log, or the cursor is that of another log. */
  | "too-old"
  /** The interface was so slow that the log has lost events that it did not take. */
  | "slow"
  /** The interface has asked for it. */
  | "asked";

/** What an interface gets. */
export type Item<Event = unknown, Snapshot = unknown> =
  | {
      readonly type: "snapshot";
      /** The snapshot has in it all events up to this one. The next event has the number after it. */
      readonly sequence: number;
      /** What the session's function `snapshot` returned; undefined if it has none. */
      readonly snapshot: Snapshot;
      readonly reason: SnapshotReason;
      /** How many events the interface did not get that the snapshot stands for. Undefined if the cursor was that of another log. */
      readonly missed: number | undefined;
    }
  | {
      readonly type: "event";
      readonly sequence: number;
      readonly class: string;
      readonly event: Event;
    }
  | {
      readonly type: "missed";
      /** The last event that was left out. */
      readonly sequence: number;
      /** How many were left out: this one and those before it. */
      readonly missed: number;
      /** How many of each class; undefined where the log had lost them. */
      readonly classes: Readonly<Record<string, number>> | undefined;
    };

/**
 * Reads a message of the data lane. `after`: the last event before it, from which the session must go on; undefined if the interface has
 * none yet. Returns undefined for what breaks the rules.
 */
export function itemOf(frame: unknown, after: number | undefined): Item | undefined {
  if (Array.isArray(frame)) {
    const [sequence, kind, event] = frame as unknown[];
    return sequence === (after ?? -1) + 1 && typeof kind === "string"
      ? { type: "event", sequence, class: kind, event }
      : undefined;
  }
  const fields = (frame ?? {}) as Readonly<Record<string, unknown>>;
  const { sequence, missed, reason, classes } = fields;
  if (!isCount(sequence) || (missed !== undefined && !isCount(missed))) return undefined;
  if (fields.kind === "snapshot") {
    const why = reason as SnapshotReason;
    return { type: "snapshot", sequence, snapshot: fields.snapshot, reason: why, missed };
  }
  if (fields.kind !== "missed" || missed === undefined || sequence !== (after ?? -1) + missed)
    return undefined;
  return {
    type: "missed",
    sequence,
    missed,
    classes: classes as Readonly<Record<string, number>> | undefined,
  };
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

import { randomUUID } from "node:crypto";
import type { Codec } from "../codec/codec.js";
import { text } from "../codec/text.js";

/*
 * The messages of the data lane, from the session to an interface. Each is JSON. An event is an array, because there are most of them:
 * [sequence, class, event]. The others are objects with the member `kind`. The session makes the text of each event once, for all
 * interfaces.
 */

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

export function eventText(sequence: number, kind: string, event: string): string {
  return `[${sequence},${kind},${event}]`;
}

export function snapshotText(
  sequence: number,
  snapshot: string | undefined,
  reason: SnapshotReason,
  missed: number | undefined,
): string {
  const count = missed === undefined ? "" : `,"missed":${missed}`;
  const value = snapshot === undefined ? "" : `,"snapshot":${snapshot}`;
  return `{"kind":"snapshot","sequence":${sequence},"reason":"${reason}"${count}${value}}`;
}

export function missedText(
  sequence: number,
  missed: number,
  classes: Readonly<Record<string, number>> | undefined,
): string {
  return JSON.stringify({ kind: "missed", sequence, missed, classes });
}

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

/** JSON that is text already, to a peer that reads it with `json()`. */
export const jsonText: Codec<string> = { ...(text() as Codec<string>), name: "json", fingerprint: "json" };

/** A place in a log: `LOG.SEQUENCE`. Programs keep it as it is. */
export type Cursor = string;

export function cursorOf(log: string, sequence: number): Cursor {
  return `${log}.${sequence}`;
}

/** The parts of a cursor, or undefined for what is none. */
export function partsOf(cursor: unknown): { readonly log: string; readonly sequence: number } | undefined {
  const parts = typeof cursor === "string" ? /^([\w-]{1,64})\.(\d{1,16})$/.exec(cursor) : null;
  const sequence = Number(parts?.[2]);
  return parts === null || !isCount(sequence) ? undefined : { log: parts[1]!, sequence };
}

export const newId = (): string => randomUUID();

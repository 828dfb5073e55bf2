import type { EventLog } from "./event-log.js";
import type { Start } from "./feed.js";
import { type Cursor, partsOf } from "./frames.js";

/** Where an interface begins. */
export type From =
  /** With a snapshot of now, and all events after it. */
  | "snapshot"
  /** With the next event. */
  | "live"
  /** With so many of the latest events, if the log has them. */
  | { readonly last: number }
  /** After the place of a cursor; with a snapshot if the log no longer has what follows it. */
  | { readonly cursor: Cursor };

/** Finds the place in a log, whose id is `id`. `tooOld`: the cursor is of no use. */
export function startOf(
  from: From,
  log: EventLog,
  id: string,
): { readonly start: Start; readonly tooOld: boolean } {
  log.expire();
  const at = (sequence: number) => ({ start: { at: "sequence" as const, sequence }, tooOld: false });
  if (from === "live") return at(log.ready);
  if (from === "snapshot")
    return { start: { at: "snapshot", reason: "attach", after: undefined }, tooOld: false };
  if ("last" in from) return at(Math.max(Math.min(log.first - 1, log.ready), log.ready - from.last));
  const place = partsOf(from.cursor);
  const isOurs = place?.log === id && place.sequence <= log.ready;
  if (isOurs && place.sequence >= log.first - 1) return at(place.sequence);
  const after = isOurs ? place.sequence : undefined;
  return { start: { at: "snapshot", reason: "too-old", after }, tooOld: true };
}

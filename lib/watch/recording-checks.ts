import { LARGEST_CAPACITY, SMALLEST_CAPACITY } from "../transport/handshake/geometry.js";
import type { RecordingIndex } from "./recorder.js";
import type { Stream } from "./tap.js";

/** A recording is a file that anybody may have written: what it says is checked like the words of a peer. */

type Fields = Readonly<Record<string, unknown>>;

/** Returns a stream as a recording describes it, or undefined if the description makes no sense. */
export function checkStream(value: unknown): Stream | undefined {
  const { index, channel, peer, lane, way, capacity, codec } = fieldsOf(value);
  const { pid, role } = fieldsOf(peer);
  const { name, fingerprint, schema } = fieldsOf(codec);
  if (!isCount(index) || !isText(channel) || !isText(lane) || (way !== "out" && way !== "in"))
    return undefined;
  if (!isCount(capacity) || capacity < SMALLEST_CAPACITY || capacity > LARGEST_CAPACITY) return undefined;
  if (!isText(name) || !isText(fingerprint) || (schema !== undefined && !isText(schema))) return undefined;
  return {
    index,
    channel,
    peer: { pid: isCount(pid) ? pid : null, role: isText(role) ? role : null },
    lane,
    way,
    capacity,
    codec: { name, fingerprint, schema },
  };
}

/** Returns the index of a recording whose frames lie from `begin` to `end`, or undefined if it makes no sense. */
export function checkIndex(value: unknown, begin: number, end: number): RecordingIndex | undefined {
  const { messages, missed, streams, entries } = fieldsOf(value);
  if (!isCount(messages) || !isCount(missed) || !Array.isArray(streams) || !Array.isArray(entries))
    return undefined;
  const checked = streams.map(checkStream);
  const isEntry = (entry: unknown) =>
    Array.isArray(entry) &&
    entry.length === 2 &&
    Number.isFinite(entry[0]) &&
    isCount(entry[1]) &&
    entry[1] >= begin &&
    entry[1] < end;
  if (checked.includes(undefined) || !entries.every(isEntry)) return undefined;
  return { messages, missed, streams: checked as Stream[], entries: entries as [number, number][] };
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= 1000;
}

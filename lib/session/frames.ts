import { randomUUID } from "node:crypto";
import { bytes } from "../codec/bytes.js";
import type { Codec, Scratch } from "../codec/codec.js";
import { text } from "../codec/text.js";
import { EncodeError } from "../errors.js";
import { Batch } from "./batch.js";
import { isCount, type SnapshotReason } from "./item.js";

/*
 * The messages of the data lane, from the session to an interface. Each is JSON. An event is an array, because there are most of them:
 * [sequence, class, event]. Several events in one message are an array of those. The others are objects with the member `kind`. The
 * session makes the text of each event once, for all interfaces.
 */

/**
 * The text of an event. Made at once with its number and class: pieces that are joined later cost the garbage collector twice as much.
 * Throws an EncodeError for an event without a JSON form.
 */
export function eventText(sequence: number, kind: string, event: unknown): string {
  let text: string;
  try {
    text = JSON.stringify([sequence, kind, event]);
  } catch (cause) {
    throw noJson(cause);
  }
  // In an array, what has no JSON form would become null.
  if (event !== null && text.endsWith(",null]")) jsonOf(event);
  return text;
}

/** Throws an EncodeError for a value without a JSON form. */
export function jsonOf(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw noJson(cause);
  }
  if (text === undefined) throw new EncodeError("the value has no JSON form", "");
  return text;
}

const noJson = (cause: unknown) =>
  new EncodeError(`JSON.stringify failed: ${(cause as Error)?.message ?? cause}`, "", { cause });

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

const asText: Codec<string> = text();
const asBytes: Codec<Uint8Array> = bytes();

/** JSON that is text already, or in UTF-8 already, to a peer that reads it with `json()`. */
export const jsonText: Codec<string | Batch, string> = {
  name: "json",
  fingerprint: "json",
  encode: (message, scratch: Scratch, offset, blocks) =>
    message instanceof Batch
      ? asBytes.encode(message.bytes, scratch, offset, blocks)
      : asText.encode(message, scratch, offset, blocks),
  decode: (scratch, offset, length, blocks) => asText.decode(scratch, offset, length, blocks),
};

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

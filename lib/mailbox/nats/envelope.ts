import type { Msg } from "@nats-io/transport-node";
import { LONGEST_ID, LONGEST_NAME, LONGEST_REASON } from "../limits.js";
import type { WireMessage } from "../wire.js";

/*
 * A message as NATS has it: the payload is the text, and one header, `Ringbell`, is an object of JSON with all the rest. Everybody who may
 * write to the server can put something else there, so each field is checked.
 */

export const HEADER = "Ringbell";

/** What stands in the header. */
export interface Envelope {
  readonly from: string;
  readonly json: boolean;
  readonly id: string | undefined;
  readonly rank: number;
  readonly key: string | undefined;
  readonly topic: string | undefined;
  /** In ms, from when it was stored. */
  readonly ttl: number | undefined;
  readonly delay: number | undefined;
  /** Which post it is: the client's id, and its number. */
  readonly post: string;
  /** For a dead letter: where it lay, and what became of it. */
  readonly dead: DeadPart | undefined;
}

export interface DeadPart {
  readonly position: number;
  readonly posted: number;
  readonly attempts: number;
  readonly reason: string;
}

/** A message as a stream holds it. */
export interface Stored {
  readonly position: number;
  /** When it was stored, in ms since the epoch, perhaps with a fraction, by the server's clock. */
  readonly stored: number;
  readonly body: string;
  readonly envelope: Envelope;
}

/** A message that was pulled: with the subject that settles it. */
export interface Pulled extends Stored {
  readonly reply: string;
  /** How often the server has delivered it. */
  readonly deliveries: number;
}

/** Reads a header. A message that somebody else has put into the stream may have none, or anything in it. */
export function envelopeOf(header: string | undefined): Envelope {
  const { from, json, id, rank, key, topic, ttl, delay, post, dead } = fieldsOf(header);
  return {
    from: text(from, LONGEST_NAME) ?? "",
    json: json === true,
    id: text(id, LONGEST_ID),
    rank: rank === 0 || rank === 2 ? rank : 1,
    key: text(key, LONGEST_ID),
    topic: text(topic, LONGEST_NAME),
    ttl: count(ttl),
    delay: count(delay),
    post: text(post, LONGEST_ID) ?? "",
    dead: deadPart(dead),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(header: string | undefined): Fields {
  try {
    const value: unknown = JSON.parse(header || "{}");
    return typeof value === "object" && value !== null ? (value as Fields) : {};
  } catch {
    return {};
  }
}

function text(value: unknown, most: number): string | undefined {
  return typeof value === "string" && value.length <= most ? value : undefined;
}

function count(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;
}

function deadPart(value: unknown): DeadPart | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { position, posted, attempts, reason } = value as Fields;
  return {
    position: count(position) ?? 0,
    posted: count(posted) ?? 0,
    attempts: count(attempts) ?? 0,
    reason: text(reason, LONGEST_REASON) ?? "",
  };
}

/**
 * Takes a delivery apart. Its subject for answers says which message it is:
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<position>.<number>.<ns>.<pending>`. Newer servers put a domain and a hash before the stream.
 */
export function pulledOf(message: Msg): Pulled {
  const { reply = "" } = message;
  const tokens = reply.split(".");
  const [deliveries, position, , stored] = tokens.slice(tokens.length > 9 ? 6 : 4);
  return {
    position: Number(position),
    stored: Math.floor(Number(stored) / 1e6),
    body: message.string(),
    envelope: envelopeOf(message.headers?.get(HEADER)),
    reply,
    deliveries: Number(deliveries),
  };
}

export function wireOf(
  box: string,
  { position, stored, body, envelope }: Stored,
  more: Pick<WireMessage, "attempt"> & Partial<WireMessage>,
): WireMessage {
  const { from: name, json, id, rank, key, topic } = envelope;
  return {
    ...{ box, position, body, json, rank, posted: Math.floor(stored), id: id ?? String(position) },
    // Across machines no kernel says who has posted.
    from: { name, uid: -1 },
    ...{ key, topic },
    ...more,
  };
}

import { CorruptError } from "../../errors.js";

/*
 * What two sides say to each other without a broker: `{ message, from }` is answered by `{ taken: true }`, `{ ping }` by `{ pong }`, and
 * what is refused by `{ refused }`. By a name it goes over a channel, by HOST:PORT as lines of JSON. A receiver that was given a token wants
 * it in each.
 */

export interface Say {
  readonly message?: string;
  readonly from?: string;
  readonly ping?: number;
  readonly token?: string | undefined;
}

export interface Reply {
  readonly taken?: true;
  readonly pong?: number;
  readonly refused?: string;
}

/** Checks what came from another process. */
export function sayOf(value: unknown): Say {
  const { message, from, ping, token } = (value ?? {}) as Record<string, unknown>;
  const isText = (one: unknown) => one === undefined || typeof one === "string";
  const isSay = isText(from) && isText(token) && (typeof message === "string" || typeof ping === "number");
  if (!isSay) throw new CorruptError('expected { "message": a text } or { "ping": a number }');
  return value as Say;
}

export function replyOf(value: unknown): Reply {
  const { taken, pong, refused } = (value ?? {}) as Record<string, unknown>;
  if (taken === true || typeof pong === "number" || typeof refused === "string") return value as Reply;
  throw new CorruptError('expected { "taken": true }, { "pong": a number } or { "refused": a text }');
}

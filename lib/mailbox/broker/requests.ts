import { checkBoolean, checkInteger, checkOneOf } from "../../check.js";
import { CorruptError, InvalidArgumentError } from "../../errors.js";
import { LONGEST_ID, LONGEST_NAME, MOST_LEASE, MOST_TAKEN, MOST_TIME } from "../limits.js";
import { checkName, checkSettings, checkText } from "../settings.js";
import { checkPattern, checkTopic } from "../topics.js";
import type { Claim, Request, RequestFrame } from "../wire.js";

/*
 * A client may be of another version, or hostile. Each request is checked before it reaches the machine, and copied: what is not named
 * here does not come in.
 */

/** The most requests of a frame. A client of ours sends fewer. */
const MOST_REQUESTS = 10_000;
const LONGEST_CLIENT = 64;
const { MAX_SAFE_INTEGER } = Number;

type Fields = Readonly<Record<string, unknown>>;

/** Takes a frame apart. Throws a CorruptError if it is none; then the client is cut off. */
export function framed(frame: unknown): { requests: readonly Fields[]; unanswered: number } {
  const { requests, unanswered } = (frame ?? {}) as Partial<RequestFrame>;
  const isFrame =
    Array.isArray(requests) &&
    requests.length <= MOST_REQUESTS &&
    Number.isSafeInteger(unanswered) &&
    requests.every(
      (request: Fields | null) => Number.isSafeInteger(request?.tag) && typeof request!.op === "string",
    );
  if (!isFrame) throw new CorruptError("expected a frame of requests, each with a tag and an op");
  return { requests: requests as unknown as Fields[], unanswered: unanswered! };
}

/** Checks one request. Throws an InvalidArgumentError, which becomes its answer. */
export function checkRequest(fields: Fields): Request {
  switch (fields.op) {
    case "hello":
      return {
        op: "hello",
        version: checkInteger(fields.version, "version", 0, MAX_SAFE_INTEGER),
        client: checkText(fields.client, "client", 1, LONGEST_CLIENT),
        held: claims(fields.held),
        path: fields.path === undefined ? undefined : String(fields.path),
      };
    case "post":
      return {
        op: "post",
        to: checkName(fields.to, "to"),
        id: optional(fields.id, (id) => checkText(id, "id", 1, LONGEST_ID)),
        key: optional(fields.key, (key) => checkText(key, "key", 1, LONGEST_ID)),
        ...posted(fields),
      };
    case "publish":
      return { op: "publish", topic: checkTopic(fields.topic, "topic"), ...posted(fields) };
    case "take":
      return {
        op: "take",
        box: checkName(fields.box, "box"),
        most: checkInteger(fields.most, "most", 1, MOST_TAKEN),
        lease: optional(fields.lease, (lease) => checkInteger(lease, "lease", 1, MOST_LEASE)),
        wait: fields.wait === undefined ? false : checkBoolean(fields.wait, "wait"),
        rank: optional(fields.rank, (rank) => checkInteger(rank, "rank", 0, 2)),
      };
    case "settle":
      return {
        op: "settle",
        how: checkOneOf(fields.how, "how", ["ack", "nack", "reject", "extend", "return"]),
        claims: claims(fields.claims),
        delay: optional(fields.delay, (delay) => checkInteger(delay, "delay", 0, MOST_TIME)),
        reason: optional(fields.reason, (reason) => String(reason)),
        lease: optional(fields.lease, (lease) => checkInteger(lease, "lease", 1, MOST_LEASE)),
        again: fields.again === true,
      };
    case "cancel":
      return { op: "cancel", wait: checkInteger(fields.wait, "wait", 0, MAX_SAFE_INTEGER) };
    case "configure":
      return {
        op: "configure",
        box: checkName(fields.box, "box"),
        settings: checkSettings(fields.settings, "settings"),
      };
    case "subscribe":
    case "unsubscribe":
      return {
        op: fields.op,
        box: checkName(fields.box, "box"),
        pattern: checkPattern(fields.pattern, "pattern"),
      };
    case "list":
      return {
        op: "list",
        box: optional(fields.box, (box) => checkName(box, "box")),
        state: optional(fields.state, (state) => checkInteger(state, "state", 0, 3)),
        after: checkInteger(fields.after, "after", 0, MAX_SAFE_INTEGER),
        most: checkInteger(fields.most, "most", 1, MOST_TAKEN),
      };
    case "requeue":
      return {
        op: "requeue",
        box: checkName(fields.box, "box"),
        positions: optional(fields.positions, positions),
      };
    case "purge":
      return {
        op: "purge",
        box: checkName(fields.box, "box"),
        what: checkOneOf(fields.what, "what", ["waiting", "dead", "box"]),
      };
    case "status":
      return { op: "status", box: optional(fields.box, (box) => checkName(box, "box")) };
    default:
      throw new InvalidArgumentError("op", "an operation that this broker knows", fields.op);
  }
}

function posted(fields: Fields) {
  if (typeof fields.body !== "string") throw new InvalidArgumentError("body", "a text", fields.body);
  return {
    from: fields.from === "" ? "" : checkText(fields.from, "from", 0, LONGEST_NAME),
    body: fields.body,
    json: fields.json === true,
    rank: fields.rank === undefined ? 1 : checkInteger(fields.rank, "rank", 0, 2),
    ttl: optional(fields.ttl, (ttl) => checkInteger(ttl, "ttl", 0, MOST_TIME)),
    delay: optional(fields.delay, (delay) => checkInteger(delay, "delay", 0, MOST_TIME)),
    number: checkInteger(fields.number, "number", 0, MAX_SAFE_INTEGER),
    again: fields.again === true,
  };
}

function optional<T>(value: unknown, check: (value: unknown) => T): T | undefined {
  return value === undefined || value === null ? undefined : check(value);
}

function positions(value: unknown): number[] {
  if (!Array.isArray(value) || value.length > MOST_TAKEN) {
    throw new InvalidArgumentError("positions", `an array of at most ${MOST_TAKEN} positions`, value);
  }
  return value.map((position) => checkInteger(position, "positions", 1, MAX_SAFE_INTEGER));
}

function claims(value: unknown): Claim[] {
  if (!Array.isArray(value)) throw new InvalidArgumentError("claims", "an array of claims", value);
  return value.map((claim) => {
    const [position, token] = Array.isArray(claim) ? (claim as unknown[]) : [];
    return [
      checkInteger(position, "claims", 1, MAX_SAFE_INTEGER),
      checkInteger(token, "claims", 1, MAX_SAFE_INTEGER),
    ];
  });
}

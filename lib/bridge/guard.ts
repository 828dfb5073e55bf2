import { INVALID_REQUEST, PARSE_ERROR } from "../rpc/errors.js";
import { type Fields, faultOf } from "../rpc/form.js";

/*
 * The gate of a bridge: what a client sent becomes a request or a notification of JSON-RPC 2.0, or a refusal. Nothing is dispatched from
 * here, and nothing is parsed that is nested more deeply than it may be.
 */

export interface Checked {
  readonly kind: "call";
  /** Absent in a notification. */
  readonly id: string | number | undefined;
  readonly method: string;
  readonly params: Fields | readonly unknown[];
  /** The message as it came. */
  readonly fields: Fields;
}

export interface Refused {
  readonly kind: "refused";
  readonly id: string | number | null;
  readonly code: number;
  readonly why: string;
}

const MEMBERS = ["jsonrpc", "id", "method", "params"];
const LONGEST_ID = 64;
const LONGEST_METHOD = 128;

/** `extensions`: the members that a message may have besides. With some, params may be an array as well. */
export function check(text: string, maxDepth: number, extensions: readonly string[] = []): Checked | Refused {
  if (isDeeperThan(text, maxDepth)) {
    return refused(null, INVALID_REQUEST, `the message is nested more than ${maxDepth} levels deep`);
  }
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return refused(null, PARSE_ERROR, "the message is not JSON");
  }
  if (Array.isArray(message)) return refused(null, INVALID_REQUEST, "batches are not taken");
  if (typeof message !== "object" || message === null) {
    return refused(null, INVALID_REQUEST, "a request is an object");
  }
  const fields = message as Fields;
  const { id, method, params } = fields;
  const known =
    (typeof id === "string" && id.length <= LONGEST_ID) || (typeof id === "number" && Number.isFinite(id));
  const asked = known ? (id as string | number) : null;
  const fault = faultOf(fields);
  if (fault !== undefined) return refused(asked, INVALID_REQUEST, fault);
  if ("id" in fields && !known) {
    return refused(null, INVALID_REQUEST, `an id is a number, or a string of up to ${LONGEST_ID} characters`);
  }
  const more = Object.keys(fields).find((name) => !MEMBERS.includes(name) && !extensions.includes(name));
  if (more !== undefined)
    return refused(asked, INVALID_REQUEST, "a request has no other members than those of JSON-RPC");
  const isList = Array.isArray(params) && extensions.length === 0;
  if ((method as string).length > LONGEST_METHOD || isList) {
    return refused(asked, INVALID_REQUEST, "params must be an object, and method a name");
  }
  return {
    kind: "call",
    id: known ? (id as string | number) : undefined,
    method: method as string,
    params: (params ?? {}) as Fields | readonly unknown[],
    fields,
  };
}

function refused(id: string | number | null, code: number, why: string): Refused {
  return { kind: "refused", id, code, why };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Looks at brackets outside of strings. It is called before the text is parsed: a parser may recurse. */
export function isDeeperThan(text: string, most: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (inString) {
      if (unit === BACKSLASH) i++;
      else if (unit === QUOTE) inString = false;
    } else if (unit === QUOTE) inString = true;
    else if (unit === 0x7b || unit === 0x5b) {
      if (++depth > most) return true;
    } else if (unit === 0x7d || unit === 0x5d) depth--;
  }
  return false;
}

import { METHOD_NOT_FOUND } from "./errors.js";
import { type ErrorBody, type Id, isId } from "./message.js";

/*
 * The form of messages that come from a peer. Nothing of them is believed before it is checked here: text of a peer that goes into an
 * answer or an error is cut, and is never an object that would have to say what it is.
 */

export type Fields = Record<string, unknown>;

/** Returns what is wrong with a request or a notification; undefined if it has the form of one. */
export function faultOf(fields: Fields | undefined): string | undefined {
  if (fields === undefined) return "a request is an object";
  const { jsonrpc, method, id, params } = fields;
  if (jsonrpc !== "2.0") return 'jsonrpc must be the string "2.0"';
  if (typeof method !== "string") return "method must be a string";
  if (id !== undefined && !isId(id)) return "id must be a string, a number or null";
  if (params !== undefined && (typeof params !== "object" || params === null)) {
    return "params must be an object or an array";
  }
  return undefined;
}

/** Returns what is wrong with an answer; undefined if it has the form of one. */
export function answerFaultOf(fields: Fields): string | undefined {
  const { jsonrpc, result, error } = fields;
  if (jsonrpc !== "2.0") return 'jsonrpc must be the string "2.0"';
  if (!isId(fields.id)) return "id must be a string, a number or null";
  if (error === undefined) return "result" in fields ? undefined : "it has neither result nor error";
  if (result !== undefined) return "it has both result and error";
  return isErrorBody(error) ? undefined : "its error must have an integer as code and a string as message";
}

/** Returns the id of an invalid request. What has no method may be an answer of a peer, and its id is then one of ours. */
export function idOf(fields: Fields | undefined): Id {
  return fields?.method !== undefined && isId(fields.id) ? fields.id : null;
}

export function noMethod(method: string): ErrorBody {
  return { code: METHOD_NOT_FOUND, message: `no method ${shown(method)}` };
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

export function isErrorBody(value: unknown): value is ErrorBody {
  if (typeof value !== "object" || value === null) return false;
  const { code, message } = value as Partial<ErrorBody>;
  return Number.isInteger(code) && typeof message === "string";
}

/** The most characters that are repeated of what a peer sent. */
const MOST_SHOWN = 200;

/** Returns what a peer sent as a part of a text: short, whatever it is. */
export function shown(value: unknown): string {
  if (typeof value === "string") return value.length <= MOST_SHOWN ? value : `${value.slice(0, MOST_SHOWN)}…`;
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return typeof value === "function" ? "a function" : String(value);
}

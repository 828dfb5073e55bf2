/*
 * The messages of JSON-RPC 2.0, and what we add. Methods that begin with `rpc.` are kept for extensions by the specification; ours are
 * notifications about a call, which they name by its id. A call has one direction, so each of them is sent by one side only, and an id
 * of ours is never taken for one of the peer's.
 */

/** What names a call: any of these from others, a number from us. */
export type Id = string | number | null;

export interface Request {
  readonly jsonrpc: "2.0";
  readonly id?: Id;
  readonly method: string;
  readonly params?: unknown;
  /** How long the caller still waits (ms). Absent: for ever. */
  readonly timeout?: number;
  /** How many items of a stream may be sent before credit is given. Absent: the caller is no peer of ours, and takes any number. */
  readonly credit?: number;
  /** Whether the caller sends items (`INPUT`). */
  readonly input?: true;
}

/** The error of an answer. `cause` is an addition of ours: which error the handler threw. */
export interface ErrorBody {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
  readonly cause?: { readonly name: string; readonly code?: string | number };
}

export type Response =
  | { readonly jsonrpc: "2.0"; readonly id: Id; readonly result: unknown }
  | { readonly jsonrpc: "2.0"; readonly id: Id; readonly error: ErrorBody };

/** From the caller: ends the call. No answer comes. */
export const CANCEL = "rpc.cancel";
/** From the caller: so many more items of the stream may be sent. */
export const CREDIT = "rpc.credit";
/** From the caller: items of the input, and its end. */
export const INPUT = "rpc.input";
export const INPUT_END = "rpc.inputEnd";
/** To the caller: a report of the handler. All come before the answer. */
export const PROGRESS = "rpc.progress";
/** To the caller: items of the stream. The answer is its end. */
export const ITEMS = "rpc.items";
/** To the caller: so many more items of the input may be sent. */
export const INPUT_CREDIT = "rpc.inputCredit";
/** A request of either side, answered at once with null. */
export const PING = "rpc.ping";

/** How many items may be under way before the reader has given credit. */
export const CREDIT_WINDOW = 256;

export function extension(method: string, params: object) {
  return { jsonrpc: "2.0", method, params };
}

export function isId(value: unknown): value is Id {
  return typeof value === "string" || typeof value === "number" || value === null;
}

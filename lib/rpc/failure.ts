import { ValidationError } from "../errors.js";
import { CallError, INTERNAL_ERROR, INVALID_PARAMS } from "./errors.js";
import { shown } from "./form.js";
import type { ErrorBody, Response } from "./message.js";

/** What goes to the caller of an error that a handler threw: never its stack. Never throws, whatever the value is. */
export function errorBodyOf(error: unknown): ErrorBody {
  try {
    return bodyOf(error);
  } catch {
    return { code: INTERNAL_ERROR, message: "the handler threw an error that can't be read" };
  }
}

function bodyOf(error: unknown): ErrorBody {
  if (error instanceof CallError) {
    const code = Number.isInteger(error.rpcCode) ? error.rpcCode : INTERNAL_ERROR;
    return { code, message: String(error.message), ...dataOf(error.data) };
  }
  if (!(error instanceof Error)) {
    return { code: INTERNAL_ERROR, message: "the handler threw a value that is no Error" };
  }
  const { code } = error as { code?: unknown };
  const known = typeof code === "string" || Number.isFinite(code) ? { code: code as string | number } : {};
  return {
    code: INTERNAL_ERROR,
    message: String(error.message),
    cause: { name: String(error.name), ...known },
  };
}

/** The answer to parameters that the schema refuses. */
export function refusedParams(error: unknown): ErrorBody {
  if (!(error instanceof ValidationError)) return errorBodyOf(error);
  const issues = error.issues.map(({ message, path }) => ({ message, path: path?.map(keyOf) }));
  return { code: INVALID_PARAMS, message: error.message, data: { issues } };
}

function keyOf(part: unknown): unknown {
  const key = typeof part === "object" && part !== null && "key" in part ? part.key : part;
  return typeof key === "symbol" ? String(key) : key;
}

const dataOf = (data: unknown) => (data === undefined ? {} : { data });

/** Returns what is sent in place of an answer that can't be sent. It is short, and has nothing of the program's but texts. */
export function unsendable(response: Response, why: unknown): Response {
  const { id } = response;
  const reason = why instanceof Error ? why.message : String(why);
  const error =
    "error" in response
      ? { code: response.error.code, message: shown(response.error.message) }
      : { code: INTERNAL_ERROR, message: `the result can't be sent: ${shown(reason)}` };
  return { jsonrpc: "2.0", id, error };
}

/** The error of an answer. Its parts are the peer's: each is taken only as what it should be. */
export function errorOf(body: ErrorBody): CallError {
  const { message, cause } = body;
  if (typeof cause !== "object" || cause === null || typeof cause.name !== "string") {
    return new CallError(body.code, message, body.data);
  }
  const original = new Error(message);
  original.name = cause.name;
  // It was thrown in the other process; our own stack would mislead.
  original.stack = `${original.name}: ${message}`;
  if (typeof cause.code === "string" || typeof cause.code === "number")
    Object.assign(original, { code: cause.code });
  return new CallError(body.code, message, body.data, { cause: original });
}

import { ValidationError } from "../errors.js";
import { CallError, INTERNAL_ERROR, INVALID_PARAMS } from "./errors.js";
import type { ErrorBody } from "./message.js";

/** What goes to the caller of an error that a handler threw: never its stack. */
export function errorBodyOf(error: unknown): ErrorBody {
  if (error instanceof CallError)
    return { code: error.rpcCode, message: error.message, ...dataOf(error.data) };
  if (!(error instanceof Error)) {
    return { code: INTERNAL_ERROR, message: "the handler threw a value that is no Error" };
  }
  const { code } = error as { code?: unknown };
  const known = typeof code === "string" || typeof code === "number" ? { code } : {};
  return { code: INTERNAL_ERROR, message: error.message, cause: { name: error.name, ...known } };
}

/** The answer to parameters that the schema refuses. */
export function refusedParams(error: unknown): ErrorBody {
  if (!(error instanceof ValidationError)) return errorBodyOf(error);
  const issues = error.issues.map(({ message, path }) => ({ message, path: path?.map(keyOf) }));
  return { code: INVALID_PARAMS, message: error.message, data: { issues } };
}

function keyOf(part: unknown): unknown {
  return typeof part === "object" && part !== null && "key" in part ? part.key : part;
}

const dataOf = (data: unknown) => (data === undefined ? {} : { data });

/** The answer in place of a result that can't be encoded. */
export function unsendable(error: unknown): ErrorBody {
  const why = error instanceof Error ? error.message : String(error);
  return { code: INTERNAL_ERROR, message: `the result can't be sent: ${why}` };
}

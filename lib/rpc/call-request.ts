import { InvalidArgumentError } from "../errors.js";
import type { CallOptions } from "./call.js";

/** Returns the request of a call. `timeout`: what is left of its time (ms); undefined or Infinity: no limit. What the specification does not know is there only where it is needed. */
export function requestOf(
  id: number,
  method: string,
  params: unknown,
  options: CallOptions<never, never>,
  timeout: number | undefined,
  credit: number | undefined,
): object {
  if (timeout === undefined && credit === undefined) return { jsonrpc: "2.0", id, method, params };
  return {
    jsonrpc: "2.0",
    id,
    method,
    params,
    ...(timeout === undefined || timeout === Number.POSITIVE_INFINITY ? {} : { timeout }),
    ...(credit === undefined ? {} : { credit }),
    ...(options.input === undefined ? {} : { input: true }),
  };
}

/** JSON-RPC has parameters by name or by position, and no others. */
export function checkParams(name: string, params: unknown): void {
  if (params === undefined || (typeof params === "object" && params !== null)) return;
  throw new InvalidArgumentError(`the parameters of ${name}`, "an object, an array or undefined", params);
}

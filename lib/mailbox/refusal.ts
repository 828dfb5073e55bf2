import { InvalidArgumentError, NoSpaceError, RingbellError } from "../errors.js";
import { BoxFullError, LeaseLostError, StoreError } from "./errors.js";
import type { Refusal } from "./wire.js";

/** An error that came from a broker, of no class that says more. */
class BrokerError extends RingbellError {
  override readonly name = "RingbellError";
  override readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** An argument that the broker refuses. The message is the broker's. */
class RefusedArgumentError extends InvalidArgumentError {
  constructor(argument: string, message: string) {
    super(argument, "valid", undefined);
    this.message = message;
  }
}

/** Makes of an error what goes over the wire. */
export function refusalOf(error: unknown): Refusal {
  const { code = "ERR_RINGBELL", message } = error as { code?: string; message: string };
  const fields: { box?: string; position?: number; path?: string; argument?: string } = {};
  for (const name of ["box", "position", "path", "argument"] as const) {
    const value = (error as Record<string, unknown>)[name];
    if (value !== undefined) Object.assign(fields, { [name]: value });
  }
  return { code, message, ...fields };
}

/** Makes an error of a refusal: one of the class that it had. */
export function errorOf({ code, message, box = "", position = 0, path = "", argument = "" }: Refusal): Error {
  switch (code) {
    case "ERR_RINGBELL_BOX_FULL":
      return new BoxFullError(message, box);
    case "ERR_RINGBELL_LEASE_LOST":
      return new LeaseLostError(message, box, position);
    case "ERR_RINGBELL_STORE":
      return new StoreError(message, path);
    case "ERR_RINGBELL_NO_SPACE":
      return new NoSpaceError(message, 0);
    case "ERR_RINGBELL_INVALID_ARGUMENT":
      return new RefusedArgumentError(argument, message);
    default:
      return new BrokerError(code, message);
  }
}

import type { StandardSchemaV1 } from "@standard-schema/spec";
import { AsyncSchemaError, InvalidArgumentError, ValidationError } from "../errors.js";

/** Returns the schema's own part. Throws an InvalidArgumentError, which calls the value `argument`, for what is no Standard Schema. */
export function standardOf(schema: unknown, argument: string): StandardSchemaV1.Props {
  // Some libraries' schemas are functions.
  const object = (typeof schema === "object" && schema !== null) || typeof schema === "function";
  const standard: unknown = object ? (schema as Record<string, unknown>)["~standard"] : undefined;
  if (
    typeof standard !== "object" ||
    standard === null ||
    typeof (standard as Record<string, unknown>).validate !== "function"
  ) {
    throw new InvalidArgumentError(argument, "a Standard Schema", schema);
  }
  return standard as StandardSchemaV1.Props;
}

/**
 * Returns what the schema makes of a message. Throws a ValidationError if the schema refuses it or throws, and an AsyncSchemaError if
 * it can't say at once.
 */
export function validate(standard: StandardSchemaV1.Props, message: unknown): unknown {
  let result: ReturnType<typeof standard.validate>;
  try {
    result = standard.validate(message);
  } catch (cause) {
    throw new ValidationError("the schema threw an error", [], { cause });
  }
  if (result instanceof Promise || typeof (result as Partial<Promise<unknown>>).then === "function") {
    // Nobody waits for it any more; a rejection would be reported as unhandled.
    Promise.resolve(result).catch(() => {});
    throw new AsyncSchemaError("the schema is asynchronous; a message is validated at once, or not at all");
  }
  const checked = result as StandardSchemaV1.Result<unknown>;
  if (checked.issues === undefined) return checked.value;
  throw new ValidationError(say(checked.issues), checked.issues);
}

// More would only make the line longer; all of them are in `issues`.
const MOST_SAID = 3;

function say(issues: readonly StandardSchemaV1.Issue[]): string {
  const said = issues.slice(0, MOST_SAID).map(({ message, path }) => {
    const keys = path?.map((key) => String(typeof key === "object" ? key.key : key)).join(".");
    return keys === undefined || keys === "" ? message : `${keys}: ${message}`;
  });
  const more = issues.length > MOST_SAID ? ` (and ${issues.length - MOST_SAID} more)` : "";
  return `the schema refuses the message: ${said.join("; ")}${more}`;
}

import { EncodeError, type RingbellError } from "../errors.js";

/*
 * While a struct is encoded, its own code throws errors that say what is wrong, and so may code of the program: a getter, whose error may be of
 * the same classes, such as that of another channel. Only the former are the codec's answer; the latter become the cause of one.
 */

const refusals = new WeakSet<object>();

/** Marks an error as the codec's answer. */
export function refusal<E extends RingbellError>(error: E): E {
  refusals.add(error);
  return error;
}

/** The error to throw for what was thrown while a message was encoded. */
export function encodeErrorOf(thrown: unknown): unknown {
  if (typeof thrown === "object" && thrown !== null && refusals.has(thrown)) return thrown;
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return new EncodeError(`a field can't be read: ${why}`, "", { cause: thrown });
}

import { InvalidArgumentError } from "../errors.js";

/** The number of messages of an iterable that are gathered before the first of them is sent. */
const PART = 4096;

/** Yields an array as it is, and any other iterable in arrays. */
export function* parts<T>(messages: Iterable<T>): Generator<readonly T[]> {
  if (Array.isArray(messages)) {
    yield messages as readonly T[];
    return;
  }
  if (typeof messages?.[Symbol.iterator] !== "function") {
    throw new InvalidArgumentError("messages", "an array or another iterable", messages);
  }
  let part: T[] = [];
  try {
    for (const message of messages) {
      part.push(message);
      if (part.length === PART) {
        const full = part;
        part = [];
        yield full;
      }
    }
  } catch (error) {
    // Messages that the iterable gave before it threw go out first.
    if (part.length > 0) yield part;
    throw error;
  }
  if (part.length > 0) yield part;
}

import { InvalidArgumentError } from "../errors.js";
import { checkName } from "./settings.js";

/*
 * Topics are words with dots between them, such as `build.linux.failed`. In a pattern `*` stands for one word, and `>` at the end for one
 * word or more.
 */

/** Checks a topic: words with dots between them, none empty, none a wildcard. */
export function checkTopic(value: unknown, argument: string): string {
  const topic = checkName(value, argument);
  const words = topic.split(".");
  if (words.some((word) => word === "" || word === "*" || word === ">")) {
    throw new InvalidArgumentError(argument, "words with dots between them, such as build.failed", value);
  }
  return topic;
}

export function checkPattern(value: unknown, argument: string): string {
  const pattern = checkName(value, argument);
  const words = pattern.split(".");
  if (words.some((word, at) => word === "" || (word === ">" && at < words.length - 1))) {
    throw new InvalidArgumentError(argument, "words, * and a last >, with dots between them", value);
  }
  return pattern;
}

/** Returns whether a topic is one of those that the pattern means. */
export function matches(pattern: string, topic: string): boolean {
  const wanted = pattern.split(".");
  const words = topic.split(".");
  for (const [at, word] of wanted.entries()) {
    if (at >= words.length) return false;
    if (word === ">") return true;
    if (word !== "*" && word !== words[at]) return false;
  }
  return wanted.length === words.length;
}

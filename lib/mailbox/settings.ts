import { checkInteger, checkOneOf, checkOptions } from "../check.js";
import { InvalidArgumentError } from "../errors.js";
import { DUPLICATE_WINDOW, LEASE, LONGEST_NAME, MOST_LEASE, MOST_TIME } from "./limits.js";
import { type BoxSettings, POLICIES } from "./message.js";

export const DEFAULT_SETTINGS: BoxSettings = {
  maxMessages: 1_000_000,
  maxBytes: 1024 ** 3,
  policy: "reject",
  ttl: 0,
  lease: LEASE,
  maxAttempts: 5,
  maxDead: 10_000,
  duplicateWindow: DUPLICATE_WINDOW,
};

const KNOWN = Object.keys(DEFAULT_SETTINGS);
const MOST_MESSAGES = 1_000_000_000;
const MOST_BYTES = 1024 ** 4;

/** Checks settings of a box, some or all. Returns those that are given. */
export function checkSettings(value: unknown, argument = "options"): Partial<BoxSettings> {
  checkOptions(value, KNOWN, argument);
  const given = value as Partial<Record<keyof BoxSettings, unknown>>;
  const integer = (name: keyof BoxSettings, least: number, most: number) =>
    given[name] === undefined
      ? {}
      : { [name]: checkInteger(given[name], `${argument}.${name}`, least, most) };
  return {
    ...integer("maxMessages", 1, MOST_MESSAGES),
    ...integer("maxBytes", 1, MOST_BYTES),
    ...(given.policy === undefined
      ? {}
      : { policy: checkOneOf(given.policy, `${argument}.policy`, POLICIES) }),
    ...integer("ttl", 0, MOST_TIME),
    ...integer("lease", 1, MOST_LEASE),
    ...integer("maxAttempts", 1, 1_000_000),
    ...integer("maxDead", 0, MOST_MESSAGES),
    ...integer("duplicateWindow", 0, MOST_TIME),
  };
}

/** Checks the name of a box, a topic or a sender: a text without control characters, as people see it in lists. */
export function checkName(value: unknown, argument: string): string {
  return checkText(value, argument, 1, LONGEST_NAME);
}

/** Checks a text for its length, and that it has no control characters. */
export function checkText(value: unknown, argument: string, least: number, most: number): string {
  const fits = typeof value === "string" && value.length >= least && value.length <= most;
  if (!fits || /[\p{Cc}\p{Cs}]/u.test(value)) {
    throw new InvalidArgumentError(
      argument,
      `a text of ${least} to ${most} characters, without control characters`,
      value,
    );
  }
  return value;
}

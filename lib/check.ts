import { fileURLToPath } from "node:url";
import { InvalidArgumentError, UnknownOptionError } from "./errors.js";

/** Checks of arguments and options: each returns the value, or throws an InvalidArgumentError that names it. */

/** Checks that options are a plain object without unknown names: a misspelt option must not be ignored. */
export function checkOptions(options: unknown, known: readonly string[], argument: string): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new InvalidArgumentError(argument, "an object", options);
  }
  for (const option of Object.keys(options)) {
    if (!known.includes(option)) {
      throw new UnknownOptionError(
        argument === "options" ? option : `${argument.slice("options.".length)}.${option}`,
        known,
      );
    }
  }
}

export function checkInteger(value: unknown, argument: string, least: number, most: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least || value > most) {
    throw new InvalidArgumentError(argument, `an integer from ${least} to ${most}`, value);
  }
  return value;
}

/** Checks that the value is a number from `least` to `most`, not necessarily an integer. */
export function checkNumber(value: unknown, argument: string, least: number, most: number): number {
  if (typeof value !== "number" || !(value >= least && value <= most)) {
    throw new InvalidArgumentError(argument, `a number from ${least} to ${most}`, value);
  }
  return value;
}

export function checkOneOf<T extends string>(value: unknown, argument: string, choices: readonly T[]): T {
  if (!choices.includes(value as T)) {
    throw new InvalidArgumentError(argument, choices.map((choice) => `"${choice}"`).join(" or "), value);
  }
  return value as T;
}

export function checkFunction<T extends (...args: never[]) => unknown>(
  value: T | undefined,
  argument: string,
): T | undefined {
  if (value !== undefined && typeof value !== "function") {
    throw new InvalidArgumentError(argument, "a function", value);
  }
  return value;
}

/** Checks that the value is a path or a `file:` URL. Returns the path. */
export function checkFile(value: unknown, argument: string): string | undefined {
  if (value === undefined || (typeof value === "string" && value !== "" && !value.includes("\0")))
    return value;
  if (value instanceof URL && value.protocol === "file:") return fileURLToPath(value);
  throw new InvalidArgumentError(argument, "a path or a file: URL", value);
}

export function checkSignal(value: unknown, argument: string): AbortSignal | undefined {
  if (value === undefined) return undefined;
  const signal = value as Partial<AbortSignal> | null;
  if (
    typeof signal !== "object" ||
    typeof signal?.addEventListener !== "function" ||
    !("aborted" in signal)
  ) {
    throw new InvalidArgumentError(argument, "an AbortSignal", value);
  }
  return signal as AbortSignal;
}

export function checkBoolean(value: unknown, argument: string): boolean {
  if (typeof value !== "boolean") throw new InvalidArgumentError(argument, "true or false", value);
  return value;
}

export function checkProgress(value: unknown, argument: string): { sent: number } | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) {
    throw new InvalidArgumentError(argument, "an object that is not frozen, such as { sent: 0 }", value);
  }
  return value as { sent: number };
}

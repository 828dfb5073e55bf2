import { resolve } from "node:path";
import { InvalidArgumentError } from "../errors.js";
import { type ResolvedPlace, resolvePlace } from "../transport/places/names.js";
import { text } from "./arguments.js";
import type { Values } from "./command.js";
import { UsageError } from "./usage-error.js";

/** Returns the place that `--namespace` and `--directory` mean. Throws a UsageError if one is invalid. */
export function placeOf(values: Values): ResolvedPlace {
  const directory = text(values, "directory");
  try {
    return resolvePlace({
      namespace: text(values, "namespace"),
      // A path on the command line is relative to the working directory.
      directory: directory && resolve(directory),
    });
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new UsageError(error.message.replace(/^options\./, "--"));
  }
}

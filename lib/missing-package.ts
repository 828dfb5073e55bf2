import { brand } from "./brand.js";
import { RingbellError } from "./errors.js";

/** A part of the library needs an optional package that is not installed. */
export class MissingPackageError extends RingbellError {
  override readonly name = "MissingPackageError";
  override readonly code = "ERR_RINGBELL_MISSING_PACKAGE";
  constructor(
    readonly packageName: string,
    what: string,
    options?: ErrorOptions,
  ) {
    super(`${what}; install it by: npm install ${packageName}`, options);
  }
}
brand(MissingPackageError, "ERR_RINGBELL_MISSING_PACKAGE");

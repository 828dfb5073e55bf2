import { brand } from "./brand.js";
import { RingbellError } from "./errors.js";

/** A part of the library needs an optional package that is not installed. */
export class MissingPackageError extends RingbellError {
  override readonly name = "MissingPackageError";
  override readonly code = "ERR_RINGBELL_MISSING_PACKAGE";
  constructor(
    readonly packageName: string,
    what: string,
    { all = [packageName], ...options }: ErrorOptions & { readonly all?: readonly string[] } = {},
  ) {
    const it = all.length === 1 ? "it" : "them";
    super(`${what}; install ${it} by: npm install ${all.join(" ")}`, options);
  }
}
brand(MissingPackageError, "ERR_RINGBELL_MISSING_PACKAGE");

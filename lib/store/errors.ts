import { brand } from "../brand.js";
import { RingbellError } from "../errors.js";

/** The file of the store can't be used: it is of a newer version, another process has it, it was replaced, or there is no room. */
export class StoreError extends RingbellError {
  override readonly name = "StoreError";
  override readonly code = "ERR_RINGBELL_STORE";
  constructor(
    message: string,
    readonly path: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
brand(StoreError, "ERR_RINGBELL_STORE");

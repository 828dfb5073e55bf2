import { brand } from "../brand.js";
import { RingbellError } from "../errors.js";

/*
 * How sessions fail, beside the errors of channels and calls. The numbers are codes of JSON-RPC, with which a session refuses an input.
 */

/** The input is for another session. */
export const WRONG_SESSION = -32010;
/** The input comes from an attachment that another one of the same client has replaced. */
export const STALE_EPOCH = -32011;
/** The role of the interface does not allow this. */
export const NOT_ALLOWED = -32012;
/** The session no longer knows whether it has applied the input: more inputs were made after it than it remembers. */
export const INPUT_TOO_OLD = -32013;
/** The audit chain can't be written, so nothing that it must show is done. */
export const NOT_AUDITED = -32014;
/** The store can't be written, so the input was not applied. */
export const NOT_STORED = -32015;
/** The session's process ended while the input was applied. Whether it was is not known, and it is not applied again. */
export const INTERRUPTED = -32016;

/** The session was lost before it said what became of the input, and it can't be made again safely. */
export class InputLostError extends RingbellError {
  override readonly name = "InputLostError";
  override readonly code = "ERR_RINGBELL_INPUT_LOST";

  constructor(
    message: string,
    /** Whether the input may have been applied. */
    readonly mayHaveRun: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
brand(InputLostError, "ERR_RINGBELL_INPUT_LOST");

/** Another attachment with the same client id has taken the place of this one. */
export class ReplacedError extends RingbellError {
  override readonly name = "ReplacedError";
  override readonly code = "ERR_RINGBELL_REPLACED";
}
brand(ReplacedError, "ERR_RINGBELL_REPLACED");

/** An audit chain is broken, can't be read, or can't be written. */
export class AuditError extends RingbellError {
  override readonly name = "AuditError";
  override readonly code = "ERR_RINGBELL_AUDIT";

  constructor(
    message: string,
    /** The file of the chain. */
    readonly path: string,
    /** The line of the first record that is wrong, from 1; undefined where that is not the matter. */
    readonly line?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
brand(AuditError, "ERR_RINGBELL_AUDIT");

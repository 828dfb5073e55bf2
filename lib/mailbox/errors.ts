import { brand } from "../brand.js";
import { RingbellError } from "../errors.js";

export { StoreError } from "../store/errors.js";

/*
 * How mailboxes fail, beside the errors of connections. A broker refuses a request with one of these, or with an InvalidArgumentError
 * or a NoSpaceError, and the caller gets it as the same class with the same fields; see broker/refusal.ts.
 */

/** The box holds as much as it may. Nothing was stored. Post again when something was taken, or raise the bound. */
export class BoxFullError extends RingbellError {
  override readonly name = "BoxFullError";
  override readonly code = "ERR_RINGBELL_BOX_FULL";
  constructor(
    message: string,
    readonly box: string,
  ) {
    super(message);
  }
}
brand(BoxFullError, "ERR_RINGBELL_BOX_FULL");

/** The message is not this delivery's any more: its lease ended, or it was settled. Somebody else may have it. */
export class LeaseLostError extends RingbellError {
  override readonly name = "LeaseLostError";
  override readonly code = "ERR_RINGBELL_LEASE_LOST";
  constructor(
    message: string,
    readonly box: string,
    readonly position: number,
  ) {
    super(message);
  }
}
brand(LeaseLostError, "ERR_RINGBELL_LEASE_LOST");

/** Only the process that is the broker may do this. */
export class NotBrokerError extends RingbellError {
  override readonly name = "NotBrokerError";
  override readonly code = "ERR_RINGBELL_NOT_BROKER";
  constructor(
    message: string,
    /** The broker's process, if it is known. */
    readonly pid: number | undefined,
  ) {
    super(message);
  }
}
brand(NotBrokerError, "ERR_RINGBELL_NOT_BROKER");

/** The broker's process lives and does not answer: it is stopped, or computes. The request may have been stored. */
export class BrokerStalledError extends RingbellError {
  override readonly name = "BrokerStalledError";
  override readonly code = "ERR_RINGBELL_BROKER_STALLED";
  constructor(
    message: string,
    /** The broker's process, if it is known. */
    readonly pid: number | undefined,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
brand(BrokerStalledError, "ERR_RINGBELL_BROKER_STALLED");

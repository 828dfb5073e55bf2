import { brand } from "../brand.js";
import { RingbellError } from "../errors.js";

/*
 * How calls fail, beside the errors of the port below. The numbers are those of JSON-RPC 2.0; from -32000 to -32099 a server
 * may define its own, and these are ours. Numbers outside -32768 to -32000 are for applications.
 */

/** The text is not JSON. */
export const PARSE_ERROR = -32700;
/** The JSON is no request. */
export const INVALID_REQUEST = -32600;
export const METHOD_NOT_FOUND = -32601;
/** The schema of the method refuses the parameters. `data` has its issues. */
export const INVALID_PARAMS = -32602;
/** The handler threw. */
export const INTERNAL_ERROR = -32603;
/** More calls wait than the service allows. The call was not begun, and may be made again. */
export const BUSY = -32000;
/** The caller's time was over before the handler had begun. */
export const TOO_LATE = -32001;

/** A call was answered with an error. A handler throws one to choose code and data itself; other errors have INTERNAL_ERROR. */
export class CallError extends RingbellError {
  override readonly name = "CallError";
  override readonly code = "ERR_RINGBELL_CALL";

  constructor(
    /** The code of the error in JSON-RPC, an integer. */
    readonly rpcCode: number,
    message: string,
    /** What the error carries besides, if anything: JSON. */
    readonly data?: unknown,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** Whether the call was not begun, so that the same call may be made again. */
  get retryable(): boolean {
    return this.rpcCode === BUSY;
  }
}
brand(CallError, "ERR_RINGBELL_CALL");

/** The connection ended before the answer came. `cause` is the reason of the end. */
export class CallLostError extends RingbellError {
  override readonly name = "CallLostError";
  override readonly code = "ERR_RINGBELL_CALL_LOST";

  constructor(
    message: string,
    /** Whether the request had gone out, so that the method may have run. */
    readonly mayHaveRun: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
brand(CallLostError, "ERR_RINGBELL_CALL_LOST");

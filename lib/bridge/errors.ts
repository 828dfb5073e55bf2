import { brand } from "../brand.js";
import { RingbellError } from "../errors.js";

/** The bridge would be reachable from other machines without TLS. */
export class InsecureBridgeError extends RingbellError {
  override readonly name = "InsecureBridgeError";
  override readonly code = "ERR_RINGBELL_INSECURE_BRIDGE";
}
brand(InsecureBridgeError, "ERR_RINGBELL_INSECURE_BRIDGE");

/** Close codes of a bridge, beside those of WebSocket: 1001 the bridge ends, 1003 a binary message, 1009 a message too long. */
export const CLOSE = {
  /** The client makes more requests than it may, or breaks the rules again and again. */
  flood: 1008,
  /** There are as many clients as there may be. Try later. */
  full: 1013,
  /** The first message was no attach with a token that is known. */
  unauthorised: 4401,
  /** No such message came in time. */
  helloTimeout: 4408,
  /** The same client has connected anew. */
  replaced: 4409,
  /** The session is over, for good. */
  over: 4410,
} as const;

import { HandshakeError } from "../../errors.js";

/** What every socket of an endpoint speaks, before and beside the handshake. */

/** Goes up with every change that an older peer would not understand. */
export const PROTOCOL_VERSION = 2;

/** What a client sends instead of a handshake to ask how the endpoint is. */
export const STATUS_QUERY = "status\n";

/** The other side hung up during the handshake: it is going away, or did not like us and said nothing. */
export class HungUpError extends HandshakeError {}

import { HandshakeError } from "../../errors.js";

/** The part of the protocol that every socket of an endpoint speaks, before and beside the handshake. */

/** The version of the protocol. It rises with every change that an older peer would not understand. */
export const PROTOCOL_VERSION = 3;

/** The bytes that a client sends instead of a handshake to ask for the endpoint's status. */
export const STATUS_QUERY = "status\n";

/** The other side hung up during the handshake: it is going away, or refused this side without a reason. */
export class HungUpError extends HandshakeError {}

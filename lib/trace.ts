import diagnosticsChannel from "node:diagnostics_channel";
import { debuglog } from "node:util";

/** Tracing, with NODE_DEBUG=ringbell. */
export const trace = debuglog("ringbell");

/** A connection was made, on either side: `{ side: "listener" | "connector", path, transport, peer }`. */
export const connectionChannel = diagnosticsChannel.channel("ringbell:connection");

/** A handshake failed at the listener: `{ path, error }`. */
export const handshakeErrorChannel = diagnosticsChannel.channel("ringbell:handshake-error");

/** A process without the addon goes over the socket, though shared memory was welcome: `{ side, path, error }`, once a call. */
export const fallbackChannel = diagnosticsChannel.channel("ringbell:fallback");

/**
 * An endpoint was opened or closed: `{ state: "open" | "closed", name, path }`; or its files were taken away:
 * `{ state: "lost", name, path, missing }`.
 */
export const endpointChannel = diagnosticsChannel.channel("ringbell:endpoint");

export { MissingPackageError } from "../missing-package.js";
export type { BreakerLimits, BreakerState } from "./breaker.js";
export { CLOSE, InsecureBridgeError } from "./errors.js";
export { type Authenticate, type Identity, newToken } from "./identity.js";
export { ModelText } from "./model-text.js";
export type { BridgeLimits, BridgeOptions, HeartbeatOptions, OpenChannel, TextPort } from "./options.js";
export { Bridge, serveBridge } from "./serve-bridge.js";
export type { BridgeClientInfo } from "./socket-client.js";
export type { Terminal } from "./terminal.js";

/** Wires over the addon's sockets and over node:net; see `Wire` in contract.ts for what both do. */
export { raise } from "./wire-base.js";
export { connectNative, wrapNative } from "./wire-native.js";
export { connectNet, wrapNet } from "./wire-net.js";

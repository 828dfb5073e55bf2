export { type BinaryContent, type BinaryOptions, binary, blockOf, bytesOf } from "./blocks.js";
export { type ConnectMcpOptions, connectMcp } from "./connect.js";
export type { McpMessage } from "./message.js";
export type { ReconnectingTransport } from "./reconnect/reconnecting.js";
export {
  type McpClient,
  type McpServerFactory,
  type McpServerLike,
  McpService,
  type McpServiceEvents,
  type ServeMcpOptions,
  serveMcp,
} from "./serve.js";
export { type McpShare, type McpShareEvents, type ShareMcpOptions, shareMcp } from "./share/share.js";
export { type McpTransport, type McpTransportOptions, mcpTransport } from "./transport.js";

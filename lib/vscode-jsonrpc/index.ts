export type { CancellationStrategy, Token, TokenSource } from "./cancellation.js";
export type { Disposable, Event } from "./emitter.js";
export type { JsonrpcMessage } from "./messages.js";
export type { PortReader } from "./reader.js";
export {
  type ConnectJsonrpcOptions,
  connectJsonrpc,
  type JsonrpcService,
  type JsonrpcTransport,
  jsonrpcTransport,
  type ServeJsonrpcOptions,
  serveJsonrpc,
} from "./transport.js";
export type { PortWriter } from "./writer.js";

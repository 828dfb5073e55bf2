export type { Call, CallOptions } from "./call.js";
export type { Client, ClientControls, ClientMethod, ClientState, Health, StateListener } from "./client.js";
export {
  type Contract,
  contract,
  type Flow,
  type Method,
  type MethodKind,
  type Methods,
  type MethodsOf,
  notification,
  request,
  stream,
} from "./contract.js";
export { type DuplexPortOptions, duplexPort, type StreamPair } from "./duplex-port.js";
export {
  BUSY,
  CallError,
  CallLostError,
  INTERNAL_ERROR,
  INVALID_PARAMS,
  INVALID_REQUEST,
  METHOD_NOT_FOUND,
  PARSE_ERROR,
  TOO_LATE,
} from "./errors.js";
export type { EventPort } from "./event-port.js";
export type { Framing } from "./framing.js";
export type { HandlerOf, Handlers, ServingOptions } from "./handlers.js";
export { type MessagePortLike, messagePort } from "./message-port.js";
export { type OpenOptions, open, type ServedByCaller } from "./open.js";
export type { RpcPort } from "./rpc-port.js";
export { type ServeOptions, serve } from "./serve.js";
export { Service, type ServiceClient, type ServiceEvents } from "./service.js";
export { type SpawnedService, type SpawnServiceOptions, spawnService } from "./spawn-service.js";
export { type WebSocketLike, type WebSocketPortOptions, webSocketPort } from "./web-socket-port.js";

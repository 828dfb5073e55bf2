export { MissingPackageError } from "../missing-package.js";
export { Box, type BoxWaitOptions, type FetchOptions } from "./box.js";
export { Delivery } from "./delivery.js";
export {
  BoxFullError,
  BrokerStalledError,
  LeaseLostError,
  NotBrokerError,
  StoreError,
} from "./errors.js";
export { Mailboxes, type MailboxesEvents, type MailboxesState, mailboxes } from "./mailboxes.js";
export type {
  BoxSettings,
  BoxStatus,
  BrokerStatus,
  Message,
  MessageState,
  Policy,
  PostOptions,
  Priority,
  Receipt,
  Sender,
  StoredMessage,
} from "./message.js";
export type { MailboxesOptions } from "./options.js";
export {
  type PointOptions,
  ping,
  type Received,
  type ReceiveOptions,
  receive,
  type SendOptions,
  send,
} from "./point/point.js";
export type { Time } from "./steady.js";
export {
  type CallContext,
  IpcTool,
  type IpcToolOptions,
  ipcTool,
  type ToolDefinition,
  type ToolResult,
} from "./tool/tool.js";
export { type Handler, Work, type WorkOptions } from "./work.js";

export { MissingPackageError } from "../missing-package.js";
export { StoreError } from "../store/errors.js";
export { type AttachOptions, attach } from "./attach.js";
export { Attachment, type AttachmentEvents, type AttachmentState } from "./attachment.js";
export { AuditChain } from "./audit.js";
export { type AuditRecord, type AuditSummary, verifyAudit } from "./audit-record.js";
export {
  AuditError,
  INPUT_TOO_OLD,
  INTERRUPTED,
  InputLostError,
  NOT_ALLOWED,
  NOT_AUDITED,
  NOT_STORED,
  ReplacedError,
  STALE_EPOCH,
  WRONG_SESSION,
} from "./errors.js";
export type { LogLimits } from "./event-log.js";
export type { ClassPolicy } from "./feed.js";
export type { Cursor } from "./frames.js";
export type { InputHandlers, InputSource, RoleRights } from "./inputs.js";
export type { Item, SnapshotReason } from "./item.js";
export type { InputOptions } from "./open-inputs.js";
export { type ServeSessionOptions, serveSession } from "./serve-session.js";
export {
  type From,
  type InterfaceInfo,
  type LoggedEvent,
  Session,
  type SessionEvents,
  type SessionOptions,
} from "./session.js";
export type { LogOptions } from "./settings.js";
export type { SignalOptions } from "./signals.js";

/**
 * Everything the library throws or rejects with: one class a failure, one code each.
 * docs/api.md lists them with cause and mend.
 */

/** The base of all errors of this library. */
export class RingbellError extends Error {
  override readonly name: string = "RingbellError";
  readonly code: string = "ERR_RINGBELL";
}

/** An argument or option has a value that it can't have. */
export class InvalidArgumentError extends RingbellError {
  override readonly name = "InvalidArgumentError";
  override readonly code = "ERR_RINGBELL_INVALID_ARGUMENT";
  constructor(
    /** Which one, such as `options.capacity`. */
    readonly argument: string,
    expected: string,
    /** What it was. */
    readonly value: unknown,
  ) {
    super(`${argument} must be ${expected}; it is ${show(value)}`);
  }
}

/** An option that does not exist, most likely misspelt. */
export class UnknownOptionError extends RingbellError {
  override readonly name = "UnknownOptionError";
  override readonly code = "ERR_RINGBELL_UNKNOWN_OPTION";
  constructor(
    readonly option: string,
    readonly known: readonly string[],
  ) {
    super(`unknown option "${option}"; the options are ${known.join(", ")}`);
  }
}

/** No such lane in this channel. */
export class UnknownLaneError extends RingbellError {
  override readonly name = "UnknownLaneError";
  override readonly code = "ERR_RINGBELL_UNKNOWN_LANE";
  constructor(
    readonly lane: string,
    readonly lanes: readonly string[],
  ) {
    super(`no lane "${lane}"; this channel has ${lanes.join(", ")}`);
  }
}

/** A listener has peers by their roles, and none of this one. */
export class UnknownRoleError extends RingbellError {
  override readonly name = "UnknownRoleError";
  override readonly code = "ERR_RINGBELL_UNKNOWN_ROLE";
  constructor(
    /** What the connector says it is; undefined if it does not say. */
    readonly role: string | undefined,
    /** Those that the listener has. */
    readonly roles: readonly string[],
  ) {
    const claimed = role === undefined ? "connect gave no role" : `the listener has no role "${role}"`;
    super(`${claimed}; give one of those that the listener has as the option role: ${roles.join(", ")}`);
  }
}

/** This platform is not supported at all. */
export class UnsupportedPlatformError extends RingbellError {
  override readonly name = "UnsupportedPlatformError";
  override readonly code = "ERR_RINGBELL_UNSUPPORTED_PLATFORM";
}

/** The addon could not be loaded; the message says what was tried and what helps. */
export class AddonError extends RingbellError {
  override readonly name = "AddonError";
  override readonly code = "ERR_RINGBELL_ADDON";
}

/** A system call failed in a way that has no class of its own. */
export class SystemError extends RingbellError {
  override readonly name = "SystemError";
  override readonly code = "ERR_RINGBELL_SYSTEM";
  constructor(
    message: string,
    /** Such as `EMFILE`. */
    readonly errno: string,
    readonly syscall: string,
    readonly path: string | undefined,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The file system says no; the message names path, mode, owner and who we are. */
export class AccessError extends RingbellError {
  override readonly name = "AccessError";
  override readonly code = "ERR_RINGBELL_ACCESS";
  constructor(
    message: string,
    readonly path: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Shared memory is full; retry when something was closed, or ask for less. */
export class NoSpaceError extends RingbellError {
  override readonly name = "NoSpaceError";
  override readonly code = "ERR_RINGBELL_NO_SPACE";
  constructor(
    message: string,
    /** How many bytes were asked for. */
    readonly bytes: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A block that can't be used so: it was released or sent, belongs to another channel, or stands twice in one message. */
export class BlockError extends RingbellError {
  override readonly name = "BlockError";
  override readonly code = "ERR_RINGBELL_BLOCK";
}

/** A block longer than the limit for all blocks together, `maxBulkBytes`, of this side or the other. */
export class BlockTooLargeError extends RingbellError {
  override readonly name = "BlockTooLargeError";
  override readonly code = "ERR_RINGBELL_BLOCK_TOO_LARGE";
  constructor(
    /** In bytes: the smaller `maxBulkBytes` of the two sides. */
    readonly limit: number,
    /** How many bytes were asked for. */
    readonly bytes: number,
  ) {
    super(
      `a block of ${bytes} bytes can't be had: all blocks of this side together may take ${limit} bytes; ` +
        "raise maxBulkBytes on both sides",
    );
  }
}

/** Nobody listens under this name. */
export class NotFoundError extends RingbellError {
  override readonly name = "NotFoundError";
  override readonly code = "ERR_RINGBELL_NOT_FOUND";
  constructor(
    message: string,
    readonly path: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A live process listens under this name already. */
export class AlreadyRunningError extends RingbellError {
  override readonly name = "AlreadyRunningError";
  override readonly code = "ERR_RINGBELL_ALREADY_RUNNING";
  constructor(
    readonly path: string,
    /** Its process id, where known. */
    readonly pid: number | undefined,
  ) {
    super(`${path} is in use by ${pid === undefined ? "another process" : `process ${pid}`}`);
  }
}

/** What came over the socket while connecting is not this library's handshake. */
export class HandshakeError extends RingbellError {
  override readonly name = "HandshakeError";
  override readonly code = "ERR_RINGBELL_HANDSHAKE";
}

/** The other side did not answer the handshake in time. */
export class HandshakeTimeoutError extends RingbellError {
  override readonly name = "HandshakeTimeoutError";
  override readonly code = "ERR_RINGBELL_HANDSHAKE_TIMEOUT";
}

/** The two sides speak different versions of the protocol. */
export class VersionError extends RingbellError {
  override readonly name = "VersionError";
  override readonly code = "ERR_RINGBELL_VERSION";
  constructor(
    readonly ours: number,
    readonly theirs: number,
  ) {
    super(
      `this side speaks protocol version ${ours}, the other ${theirs}; use the same version of ringbell on both`,
    );
  }
}

/** The two sides use different codecs or schemas. */
export class SchemaMismatchError extends RingbellError {
  override readonly name = "SchemaMismatchError";
  override readonly code = "ERR_RINGBELL_SCHEMA";
  constructor(
    message: string,
    readonly ours: string,
    readonly theirs: string,
  ) {
    super(message);
  }
}

/** `connect` asked for lanes that the listener does not have. */
export class LaneMismatchError extends RingbellError {
  override readonly name = "LaneMismatchError";
  override readonly code = "ERR_RINGBELL_LANES";
  constructor(
    readonly asked: readonly string[],
    readonly offered: readonly string[],
  ) {
    super(`connect asked for the lanes ${asked.join(", ")}; the listener has ${offered.join(", ")}`);
  }
}

/** The listener does not let this peer in. */
export class RefusedError extends RingbellError {
  override readonly name = "RefusedError";
  override readonly code = "ERR_RINGBELL_REFUSED";
}

/** The two sides reached each other, but do not see the same memory: another machine, container or mount. */
export class NotSameMemoryError extends RingbellError {
  override readonly name = "NotSameMemoryError";
  override readonly code = "ERR_RINGBELL_NOT_SAME_MEMORY";
}

/** The transport that was asked for can't be had here. */
export class TransportError extends RingbellError {
  override readonly name = "TransportError";
  override readonly code = "ERR_RINGBELL_TRANSPORT";
}

/** The channel or endpoint is closed. */
export class ClosedError extends RingbellError {
  override readonly name = "ClosedError";
  override readonly code: "ERR_RINGBELL_CLOSED" = "ERR_RINGBELL_CLOSED";
}

/** The peer's process ended, or was killed, without closing the channel. */
export class PeerDiedError extends RingbellError {
  override readonly name = "PeerDiedError";
  override readonly code = "ERR_RINGBELL_PEER_DIED";
}

/** The peer broke the protocol: what stands in the shared memory, or came over the socket, can't be. */
export class CorruptError extends RingbellError {
  override readonly name = "CorruptError";
  override readonly code = "ERR_RINGBELL_CORRUPT";
}

/** The message does not fit this lane. */
export class MessageTooLargeError extends RingbellError {
  override readonly name = "MessageTooLargeError";
  override readonly code = "ERR_RINGBELL_MESSAGE_TOO_LARGE";
  constructor(
    /** The most that this lane takes, in bytes. */
    readonly limit: number,
    /** Its length in bytes, where known. */
    readonly bytes: number | undefined,
  ) {
    super(
      `the message ${bytes === undefined ? "is longer than" : `has ${bytes} bytes; this lane takes`} ${limit} bytes; ` +
        "raise the capacity of the lane (a message takes up to half of it) or maxMessageBytes",
    );
  }
}

/** A value that the codec can't carry; `path` names the field. */
export class EncodeError extends RingbellError {
  override readonly name = "EncodeError";
  override readonly code = "ERR_RINGBELL_ENCODE";
  constructor(
    message: string,
    /** Such as `orders[3].price`; empty for the message itself. */
    readonly path: string,
    options?: ErrorOptions,
  ) {
    super(path === "" ? message : `${path}: ${message}`, options);
  }
}

/** Bytes arrived that are no message of this codec. */
export class DecodeError extends RingbellError {
  override readonly name = "DecodeError";
  override readonly code = "ERR_RINGBELL_DECODE";
  constructor(
    message: string,
    readonly path: string,
    options?: ErrorOptions,
  ) {
    super(path === "" ? message : `${path}: ${message}`, options);
  }
}

/** A message arrived that the schema refuses. */
export class ValidationError extends RingbellError {
  override readonly name = "ValidationError";
  override readonly code = "ERR_RINGBELL_VALIDATION";
  constructor(
    message: string,
    /** What the schema had to say, as Standard Schema issues. */
    readonly issues: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[],
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The schema answers with a promise; a message is validated at once, or not at all. */
export class AsyncSchemaError extends RingbellError {
  override readonly name = "AsyncSchemaError";
  override readonly code = "ERR_RINGBELL_ASYNC_SCHEMA";
}

/** The lane has a consumer already: one at a time. */
export class ConsumerBusyError extends RingbellError {
  override readonly name = "ConsumerBusyError";
  override readonly code = "ERR_RINGBELL_CONSUMER_BUSY";
}

/** A synchronous method was called where the transport can't wait: the stream without the addon. */
export class SyncUnavailableError extends RingbellError {
  override readonly name = "SyncUnavailableError";
  override readonly code = "ERR_RINGBELL_SYNC_UNAVAILABLE";
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  if (typeof value === "symbol") return value.toString();
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}

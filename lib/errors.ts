import { constants } from "node:os";
import { brand, isInstance } from "./brand.js";

/*
 * All errors that the library throws or rejects with. Each failure has one class and one code. One file holds
 * them all, so that the whole family can be seen. docs/api.md lists them with cause and mend.
 */

/** The base of all errors of this library. */
export class RingbellError extends Error {
  override readonly name: string = "RingbellError";
  readonly code: string = "ERR_RINGBELL";

  /** `instanceof` also holds for errors that another copy of the package made, of this class or a subclass. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: a subclass inherits the method, and asks for itself.
    return isInstance(this, value);
  }
}

/** An argument or option has an invalid value. */
export class InvalidArgumentError extends RingbellError {
  override readonly name = "InvalidArgumentError";
  override readonly code = "ERR_RINGBELL_INVALID_ARGUMENT";
  constructor(
    /** The argument's name, such as `options.capacity`. */
    readonly argument: string,
    expected: string,
    /** The invalid value. */
    readonly value: unknown,
  ) {
    super(`${argument} must be ${expected}; it is ${show(value)}`);
  }
}

/** An option has an unknown name, most likely a misspelt one. */
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

/** The channel has no lane of this name. */
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

/** The listener has the option `roles`, without an entry for this peer's role. */
export class UnknownRoleError extends RingbellError {
  override readonly name = "UnknownRoleError";
  override readonly code = "ERR_RINGBELL_UNKNOWN_ROLE";
  constructor(
    /** The role that the connector claims; undefined if it claims none. */
    readonly role: string | undefined,
    /** The roles that the listener has. */
    readonly roles: readonly string[],
  ) {
    const claimed = role === undefined ? "connect gave no role" : `the listener has no role "${role}"`;
    super(`${claimed}; give one of those that the listener has as the option role: ${roles.join(", ")}`);
  }
}

/** The library does not support this platform. */
export class UnsupportedPlatformError extends RingbellError {
  override readonly name = "UnsupportedPlatformError";
  override readonly code = "ERR_RINGBELL_UNSUPPORTED_PLATFORM";
}

/** The addon could not be loaded. The message says what was tried and what helps. */
export class AddonError extends RingbellError {
  override readonly name = "AddonError";
  override readonly code = "ERR_RINGBELL_ADDON";
}

/** A system call failed, for a reason that has no class of its own. */
export class SystemError extends RingbellError {
  override readonly name = "SystemError";
  override readonly code = "ERR_RINGBELL_SYSTEM";
  /** The number of the failure as Node has it, negative: -24 for EMFILE on Linux. */
  readonly errno: number;
  constructor(
    message: string,
    /** The name of the failure, such as `EMFILE`; Node's errors have it as `code`. */
    readonly systemCode: string,
    /** The call that failed, such as `connect`. */
    readonly syscall: string,
    readonly path: string | undefined,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.errno = errnoOf(systemCode);
  }
}

/** The file system denies access. The message names the path, its mode and owner, and our user. */
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

/** Shared memory is full. Retry when something was closed, or ask for less. */
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

/** A block was used after it was sent, released or shared, belongs to another channel, or stands twice in one message. */
export class BlockError extends RingbellError {
  override readonly name = "BlockError";
  override readonly code = "ERR_RINGBELL_BLOCK";
}

/** A block is longer than `maxBulkBytes`, the limit for all blocks together, of this side or the other. */
export class BlockTooLargeError extends RingbellError {
  override readonly name = "BlockTooLargeError";
  override readonly code = "ERR_RINGBELL_BLOCK_TOO_LARGE";
  constructor(
    /** The limit in bytes: the smaller `maxBulkBytes` of the two sides. */
    readonly limit: number,
    /** How many bytes were asked for. */
    readonly bytes: number,
  ) {
    super(
      limit === 0
        ? "this channel has no blocks: maxBulkBytes is 0 on one side, or one side is Electron, which allows none"
        : `a block of ${bytes} bytes is too large: all blocks of this side together may take ${limit} bytes; raise maxBulkBytes on both sides`,
    );
  }
}

/** No process listens under this name. */
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
    /** The owner's process id, if it is known. */
    readonly pid: number | undefined,
  ) {
    super(`${path} is in use by ${pid === undefined ? "another process" : `process ${pid}`}`);
  }
}

/** The bytes that came over the socket while connecting are not this library's handshake. */
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

/** The transport or backing that was asked for is not available here. */
export class TransportError extends RingbellError {
  override readonly name = "TransportError";
  override readonly code = "ERR_RINGBELL_TRANSPORT";
}

/** The event that a call waited for did not happen within its option `timeout`. */
export class TimeoutError extends RingbellError {
  override readonly name = "TimeoutError";
  override readonly code = "ERR_RINGBELL_TIMEOUT";
  constructor(
    message: string,
    /** The value of the option `timeout`, in ms. */
    readonly timeout: number,
  ) {
    super(message);
  }
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

/** The peer broke the protocol: it put invalid data into the shared memory, or sent some over the socket. */
export class CorruptError extends RingbellError {
  override readonly name = "CorruptError";
  override readonly code = "ERR_RINGBELL_CORRUPT";
}

/** The message is longer than this lane takes. */
export class MessageTooLargeError extends RingbellError {
  override readonly name = "MessageTooLargeError";
  override readonly code = "ERR_RINGBELL_MESSAGE_TOO_LARGE";
  constructor(
    /** The longest message that this lane takes, in bytes. */
    readonly limit: number,
    /** The message's length in bytes, if it is known. */
    readonly bytes: number | undefined,
  ) {
    const words =
      bytes === undefined
        ? `the message has more than ${limit} bytes, the most that this lane takes`
        : `the message has ${bytes} bytes; this lane takes at most ${limit}`;
    super(`${words}; raise the capacity of the lane (a message takes up to half of it) or maxMessageBytes`);
  }
}

/** The codec does not carry this value. `path` names the field. */
export class EncodeError extends RingbellError {
  override readonly name = "EncodeError";
  override readonly code = "ERR_RINGBELL_ENCODE";
  constructor(
    message: string,
    /** The field, such as `orders[3].price`; empty for the message itself. */
    readonly path: string,
    options?: ErrorOptions,
  ) {
    super(path === "" ? message : `${path}: ${message}`, options);
  }
}

/** The bytes that arrived are no message of this codec. */
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

/** The schema refuses a message that arrived. */
export class ValidationError extends RingbellError {
  override readonly name = "ValidationError";
  override readonly code = "ERR_RINGBELL_VALIDATION";
  constructor(
    message: string,
    /** The problems that the schema reports, as Standard Schema issues. */
    readonly issues: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[],
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The schema answers with a promise. A schema must validate a message at once. */
export class AsyncSchemaError extends RingbellError {
  override readonly name = "AsyncSchemaError";
  override readonly code = "ERR_RINGBELL_ASYNC_SCHEMA";
}

/** The lane has a consumer already. A lane has one consumer at a time. */
export class ConsumerBusyError extends RingbellError {
  override readonly name = "ConsumerBusyError";
  override readonly code = "ERR_RINGBELL_CONSUMER_BUSY";
}

/** A method that blocks was called on a channel that is a stream. Such methods need shared memory. */
export class SyncUnavailableError extends RingbellError {
  override readonly name = "SyncUnavailableError";
  override readonly code = "ERR_RINGBELL_SYNC_UNAVAILABLE";
}

/** A process that was started ended before it had connected, or could not be started at all (`cause`). */
export class ChildEndedError extends RingbellError {
  override readonly name = "ChildEndedError";
  override readonly code = "ERR_RINGBELL_CHILD_ENDED";
  constructor(
    readonly command: string,
    /** The exit code; null if a signal ended the process, or if it could not be started. */
    readonly exitCode: number | null,
    readonly signal: NodeJS.Signals | null,
    options?: ErrorOptions,
  ) {
    const { cause } = options ?? {};
    const how =
      cause instanceof Error
        ? `could not be started: ${cause.message}`
        : `ended before it had connected, with ${signal === null ? `the exit code ${exitCode}` : signal}`;
    super(`${command} ${how}`, options);
  }
}

/** The code of each class is the same in every copy of the package. By it the copies recognise each other's errors. */
const classes = {
  ERR_RINGBELL: RingbellError,
  ERR_RINGBELL_INVALID_ARGUMENT: InvalidArgumentError,
  ERR_RINGBELL_UNKNOWN_OPTION: UnknownOptionError,
  ERR_RINGBELL_UNKNOWN_LANE: UnknownLaneError,
  ERR_RINGBELL_UNKNOWN_ROLE: UnknownRoleError,
  ERR_RINGBELL_TIMEOUT: TimeoutError,
  ERR_RINGBELL_UNSUPPORTED_PLATFORM: UnsupportedPlatformError,
  ERR_RINGBELL_ADDON: AddonError,
  ERR_RINGBELL_SYSTEM: SystemError,
  ERR_RINGBELL_ACCESS: AccessError,
  ERR_RINGBELL_NO_SPACE: NoSpaceError,
  ERR_RINGBELL_BLOCK: BlockError,
  ERR_RINGBELL_BLOCK_TOO_LARGE: BlockTooLargeError,
  ERR_RINGBELL_NOT_FOUND: NotFoundError,
  ERR_RINGBELL_ALREADY_RUNNING: AlreadyRunningError,
  ERR_RINGBELL_HANDSHAKE: HandshakeError,
  ERR_RINGBELL_HANDSHAKE_TIMEOUT: HandshakeTimeoutError,
  ERR_RINGBELL_VERSION: VersionError,
  ERR_RINGBELL_SCHEMA: SchemaMismatchError,
  ERR_RINGBELL_LANES: LaneMismatchError,
  ERR_RINGBELL_REFUSED: RefusedError,
  ERR_RINGBELL_NOT_SAME_MEMORY: NotSameMemoryError,
  ERR_RINGBELL_TRANSPORT: TransportError,
  ERR_RINGBELL_CLOSED: ClosedError,
  ERR_RINGBELL_PEER_DIED: PeerDiedError,
  ERR_RINGBELL_CORRUPT: CorruptError,
  ERR_RINGBELL_MESSAGE_TOO_LARGE: MessageTooLargeError,
  ERR_RINGBELL_ENCODE: EncodeError,
  ERR_RINGBELL_DECODE: DecodeError,
  ERR_RINGBELL_VALIDATION: ValidationError,
  ERR_RINGBELL_ASYNC_SCHEMA: AsyncSchemaError,
  ERR_RINGBELL_CONSUMER_BUSY: ConsumerBusyError,
  ERR_RINGBELL_SYNC_UNAVAILABLE: SyncUnavailableError,
  ERR_RINGBELL_CHILD_ENDED: ChildEndedError,
};
for (const [code, type] of Object.entries(classes)) brand(type, code);

/** The number that Node gives to an unknown failure, with the name UNKNOWN. */
const UNKNOWN_ERRNO = -4094;

function errnoOf(systemCode: string): number {
  const known: Readonly<Record<string, number>> = constants.errno;
  const errno = known[systemCode];
  return errno === undefined ? UNKNOWN_ERRNO : -errno;
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  if (typeof value === "symbol") return value.toString();
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}

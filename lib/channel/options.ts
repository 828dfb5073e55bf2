import type { CodecOption } from "../codec/resolve.js";
import type { Backing } from "../transport/handshake/greetings.js";
import type { TransportChoice } from "../transport/handshake/means.js";
import type { Authorize } from "../transport/handshake/peer.js";
import type { RetryOptions } from "../transport/places/retry.js";

/** A lane beside `main`. */
export interface LaneOptions {
  /** As the option `capacity`, for this lane. Default: that option. */
  readonly capacity?: number | undefined;
  /** As the option `codec`, for this lane. Default: that option. */
  readonly codec?: CodecOption<never, unknown> | undefined;
}

/** Lanes by name. */
export type LanesOption = Readonly<Record<string, LaneOptions>>;

/** The codec, lanes and capacity for peers of one role. An entry takes from the listener's own options what it leaves out. */
export interface RoleOptions {
  readonly codec?: CodecOption<never, unknown> | undefined;
  readonly lanes?: LanesOption | undefined;
  readonly capacity?: number | undefined;
}

/**
 * Codec, lanes and capacity by the role of the peer. The entry `default` is for peers without a role, and for
 * every role that has no entry.
 */
export type RolesOption = Readonly<Record<string, RoleOptions>>;

/** The options that `listen` and `connect` have in common. An invalid value throws an InvalidArgumentError, which names the option. */
export interface CommonOptions<Send, Receive> {
  /**
   * How messages become bytes: one codec, or `{ send, receive }`. Default `json()`. The other side must use
   * the same codecs (by name and fingerprint); otherwise connect rejects with a SchemaMismatchError
   * (ERR_RINGBELL_SCHEMA).
   */
  readonly codec?: CodecOption<Send, Receive> | undefined;
  /**
   * How long to poll for the next message before sleeping, in µs, 0 to 1000. `"adaptive"` polls as long as it
   * pays, up to about 50 µs. Default `"adaptive"`. The option has no effect on the stream transport.
   */
  readonly spin?: number | "adaptive" | undefined;
  /**
   * The kind of memory. `"sealed"` is an anonymous file that nobody can resize, passed over the socket; it
   * exists on Linux only and is the default there. `"named"` is a name in shared memory that lives until the
   * other side has mapped it. A peer of another user always gets sealed memory. A backing that is not
   * available throws a TransportError (ERR_RINGBELL_TRANSPORT).
   */
  readonly backing?: Backing | undefined;
  /**
   * `"shm"`: shared memory, or an error. `"stream"`: the socket alone. `"auto"`: shared memory if both sides
   * can use it, else the socket. Default: the environment's RINGBELL_TRANSPORT, else `"auto"`. If the two
   * sides have no transport in common, connect rejects with a TransportError (ERR_RINGBELL_TRANSPORT).
   */
  readonly transport?: TransportChoice | undefined;
  /**
   * The addon's file, or a folder that has it: a path, or a `file:` URL. For a program that was bundled, or made a single executable.
   * The first call in a thread that needs the addon loads it, and later ones use it, whatever they give. Default: the environment's
   * RINGBELL_ADDON, else that of the package.
   */
  readonly addon?: string | URL | undefined;
  /**
   * The group of names to use; names of one group are invisible in another. A letter or digit and up to 63 of
   * `A-Za-z0-9._-`. Default: RINGBELL_NAMESPACE, else `"default"`.
   */
  readonly namespace?: string | undefined;
  /**
   * The directory of the namespaces, an absolute path. Default: RINGBELL_DIRECTORY, else
   * `$XDG_RUNTIME_DIR/ringbell`, else `<tmpdir>/ringbell-<uid>`. The default directory is made with mode
   * 0700. It is refused (AccessError, ERR_RINGBELL_ACCESS) if it belongs to another user or is open to
   * others. A directory given here is made with mode 0700 if it is missing, and otherwise used as it is. It
   * is refused only if everybody may replace what lies in it.
   */
  readonly directory?: string | undefined;
  /**
   * Decides whether to go on with a peer, as the kernel names it. If it is given, it is called for every
   * peer; without it only processes of our own user are let in. The peer is refused (ERR_RINGBELL_REFUSED) if
   * it returns false, throws or rejects. Its time counts towards `handshakeTimeout`.
   */
  readonly authorize?: Authorize | undefined;
  /**
   * The longest message to send on any lane, in bytes as encoded, 1 to 1 073 741 824 (1 GiB). Default 268 435
   * 456 (256 MiB). A longer message throws a MessageTooLargeError (ERR_RINGBELL_MESSAGE_TOO_LARGE). A message
   * that is too long for the ring goes by a block. Without blocks (`maxBulkBytes: 0`), the limit is half of
   * the lane's capacity less 8.
   */
  readonly maxMessageBytes?: number | undefined;
  /**
   * The bytes of memory that the blocks of one side may take, including those that the other side holds: 0
   * (no blocks) to 1 TiB. Default 1 073 741 824 (1 GiB), or a quarter of a container's memory limit if that is
   * less. The smaller value of the two sides counts, for each side. The memory is taken from the system when it is needed, and given back after some seconds without
   * use.
   */
  readonly maxBulkBytes?: number | undefined;
  /**
   * A message of more bytes than this, as encoded, goes by a block: 0 to 1 GiB. Default 65 536 (64 KiB). A
   * message that is too long for the ring (more than half of `capacity` less 8) always goes by a block.
   */
  readonly bulkThreshold?: number | undefined;
  /** The role that this side claims, shown to the peer as `peer.role`; up to 64 characters. It is a claim, not a right. */
  readonly role?: string | undefined;
  /**
   * How long a handshake may take, in ms, 1 to 600 000. Default 5000. A longer one fails with a
   * HandshakeTimeoutError (ERR_RINGBELL_HANDSHAKE_TIMEOUT).
   */
  readonly handshakeTimeout?: number | undefined;
}

export interface ListenOptions<Send, Receive, Lanes extends LanesOption = LanesOption>
  extends CommonOptions<Send, Receive> {
  /**
   * The lanes beside `main`, up to 15, by name: `{ control: { capacity: 16384 } }`. A lane's name has the
   * form of a namespace. Every lane has rings of its own, so that no lane waits for another. An entry `main`
   * overrides the capacity and codec of the main lane.
   */
  readonly lanes?: Lanes | undefined;
  /** The bytes of each of a lane's two rings: a power of two, 4096 (4 KiB) to 1073741824 (1 GiB). Default 262144 (256 KiB). */
  readonly capacity?: number | undefined;
  /** The permission bits of the socket, 0 to 0o777. They are in force before anyone can connect. Default 0o600: our own user. */
  readonly mode?: number | undefined;
  /**
   * Whether a peer may speak lines of JSON in place of the handshake: a program in any language, over the same socket and with the same
   * permissions. The server then emits `lines`. Default false: such a peer is refused.
   */
  readonly lines?: boolean | undefined;
  /**
   * Whether other processes of our own user may watch what goes over the channels (`ringbell tap`): they get the memory of the rings, for
   * reading. Takes one more open file a channel. Default: whether RINGBELL_TAP is 1.
   */
  readonly tap?: boolean | undefined;
  /** Closes the server when the signal is aborted. If it is aborted already, `listen` rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The options of a listener whose messages and lanes depend on the role of the peer. */
export interface RolesListenOptions<
  Send,
  Receive,
  Lanes extends LanesOption = LanesOption,
  Roles extends RolesOption = RolesOption,
> extends ListenOptions<Send, Receive, Lanes> {
  /**
   * Codec, lanes and capacity by the role that the peer claims, up to 64: `{ agent: { codec: … }, monitor: {}
   * }`. A peer of another role gets the entry `default`. Without that entry it gets an UnknownRoleError
   * (ERR_RINGBELL_UNKNOWN_ROLE). The channel's `role` names the entry. A role is a claim, not a right:
   * `authorize`, which sees the role too, decides what a peer may do.
   */
  readonly roles: Roles;
}

export interface ConnectOptions<Send, Receive, Lanes extends LanesOption = LanesOption>
  extends CommonOptions<Send, Receive> {
  /**
   * The lanes wanted beside `main`, by name. Default: all lanes that the listener has, each with the option
   * `codec`. A lane that the listener does not have rejects with a LaneMismatchError (ERR_RINGBELL_LANES).
   */
  readonly lanes?: Lanes | undefined;
  /** The most bytes for each ring, as for `listen`; the smaller value of the two sides counts. Default: the listener's value. */
  readonly capacity?: number | undefined;
  /**
   * How to go on while nobody listens yet; see RetryOptions. By default connect tries for up to 3 seconds, so
   * that a client may be started shortly before its listener. `false` makes one attempt, and rejects with a
   * NotFoundError (ERR_RINGBELL_NOT_FOUND) at once. A failure that waiting does not mend (no permission,
   * refused, another schema) is never tried again.
   */
  readonly retry?: RetryOptions | false | undefined;
  /** Gives up connecting when the signal is aborted, and rejects with its reason. Has no effect on the channel afterwards. */
  readonly signal?: AbortSignal | undefined;
}

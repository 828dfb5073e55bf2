import type { CodecOption } from "../codec/resolve.js";
import type { Backing } from "../transport/handshake/greetings.js";
import type { TransportChoice } from "../transport/handshake/means.js";
import type { Authorize } from "../transport/handshake/peer.js";
import type { RetryOptions } from "../transport/places/retry.js";

/** A lane beside `main`. */
export interface LaneOptions {
  /** As `capacity` of the whole; default: what that says. */
  readonly capacity?: number | undefined;
  /** Default: the codec of the whole. */
  readonly codec?: CodecOption<never, unknown> | undefined;
}

/** Lanes by name. */
export type LanesOption = Readonly<Record<string, LaneOptions>>;

/** What a listener has for the peers of one role. What an entry leaves out is as in the options of the whole. */
export interface RoleOptions {
  readonly codec?: CodecOption<never, unknown> | undefined;
  readonly lanes?: LanesOption | undefined;
  readonly capacity?: number | undefined;
}

/** What a listener has, by the role of the peer. An entry `default` is for peers of every other role, and of none. */
export type RolesOption = Readonly<Record<string, RoleOptions>>;

/** What `listen` and `connect` have in common. A value that can't be throws an InvalidArgumentError that names the option. */
export interface CommonOptions<Send, Receive> {
  /**
   * How messages become bytes: one codec, or `{ send, receive }`. Default `json()`. The other side must use the same ones
   * (name and fingerprint), or the connect rejects with a SchemaMismatchError (ERR_RINGBELL_SCHEMA).
   */
  readonly codec?: CodecOption<Send, Receive> | undefined;
  /**
   * How long to poll for the next message before sleeping, in µs, 0 to 1000, or `"adaptive"`: as long as it pays,
   * up to about 50. Default `"adaptive"`. Of no effect with the stream transport.
   */
  readonly spin?: number | "adaptive" | undefined;
  /**
   * What the memory is made of: `"sealed"`, an anonymous file that nobody can resize, passed over the socket (Linux
   * only, and the default there); `"named"`, a name in shared memory that lives until the other side has mapped it.
   * Peers of another user always get a sealed one. An impossible wish throws a TransportError (ERR_RINGBELL_TRANSPORT).
   */
  readonly backing?: Backing | undefined;
  /**
   * `"shm"`: shared memory, or an error; `"stream"`: the socket alone; `"auto"`: shared memory where both can, else the
   * socket. Default: the environment's RINGBELL_TRANSPORT, else `"auto"`. Where the two sides have nothing in
   * common, connect rejects with a TransportError (ERR_RINGBELL_TRANSPORT).
   */
  readonly transport?: TransportChoice | undefined;
  /** A group of names that sees only itself; a letter or digit and up to 63 of `A-Za-z0-9._-`. Default: RINGBELL_NAMESPACE, else `"default"`. */
  readonly namespace?: string | undefined;
  /**
   * Where the namespaces lie, an absolute path. Default: RINGBELL_DIRECTORY, else `$XDG_RUNTIME_DIR/ringbell`, else
   * `<tmpdir>/ringbell-<uid>`. The default is made 0700, and refused (AccessError, ERR_RINGBELL_ACCESS) if it
   * belongs to another user or is open to others. A directory given here is taken as it is (made 0700 if it is
   * missing), and refused only if everybody may replace what lies in it.
   */
  readonly directory?: string | undefined;
  /**
   * Whether to go on with this peer, as the kernel names it. Called for every peer if it is given; without it only
   * processes of our own user are let in. A no, a throw or a rejection refuses the peer (ERR_RINGBELL_REFUSED). Its time
   * counts towards `handshakeTimeout`.
   */
  readonly authorize?: Authorize | undefined;
  /**
   * The longest message to send on any lane, in bytes as encoded, 1 to 1 073 741 824 (1 GiB). Default 268 435 456 (256 MiB). A longer one
   * throws a MessageTooLargeError (ERR_RINGBELL_MESSAGE_TOO_LARGE). What does not fit the ring goes by a block; where there
   * are none (`maxBulkBytes: 0`), the limit is half of the lane's capacity less 8.
   */
  readonly maxMessageBytes?: number | undefined;
  /**
   * Bytes of memory that the blocks of one side may take, those that the other holds included: 0 (no blocks) to 1 TiB. Default 1 073 741 824
   * (1 GiB). The smaller wish of the two sides counts, for each side. It is got from the system as it is needed, and given back when it
   * has not been used for some seconds.
   */
  readonly maxBulkBytes?: number | undefined;
  /**
   * A message of more bytes than this, as encoded, goes by a block: 0 to 1 GiB. Default 65 536 (64 KiB). In any case one that the
   * ring can't carry (more than half of `capacity` less 8).
   */
  readonly bulkThreshold?: number | undefined;
  /** What this side calls itself, shown to the peer as `peer.role`; up to 64 characters. A claim, not a right. */
  readonly role?: string | undefined;
  /** How long a handshake may take, in ms, 1 to 600 000. Default 5000. Then: HandshakeTimeoutError (ERR_RINGBELL_HANDSHAKE_TIMEOUT). */
  readonly handshakeTimeout?: number | undefined;
}

export interface ListenOptions<Send, Receive, Lanes extends LanesOption = LanesOption>
  extends CommonOptions<Send, Receive> {
  /**
   * Lanes beside `main`, by name (as namespaces are made of), up to 15: `{ control: { capacity: 16384 } }`. Every lane
   * has rings of its own, so that no lane waits for another. An entry `main` overrides capacity and codec of the main lane.
   */
  readonly lanes?: Lanes | undefined;
  /** Bytes of each of a lane's two rings: a power of two, 4096 (4 KiB) to 1073741824 (1 GiB). Default 262144 (256 KiB). */
  readonly capacity?: number | undefined;
  /** Permission bits of the socket, 0 to 0o777; in force before anyone can connect. Default 0o600: our own user. */
  readonly mode?: number | undefined;
  /** Closes the server when it is aborted; if it is aborted already, `listen` rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The options of a listener that has other messages and lanes for one role than for another. */
export interface RolesListenOptions<
  Send,
  Receive,
  Lanes extends LanesOption = LanesOption,
  Roles extends RolesOption = RolesOption,
> extends ListenOptions<Send, Receive, Lanes> {
  /**
   * Codec, lanes and capacity by the role that the peer claims, up to 64: `{ agent: { codec: … }, monitor: {} }`. A peer of another
   * role gets the entry `default`, or where there is none an UnknownRoleError (ERR_RINGBELL_UNKNOWN_ROLE). The channel's `role` says
   * which entry it was. A role is a claim, not a right: what a peer may do is for `authorize` to decide, which sees it, too.
   */
  readonly roles: Roles;
}

export interface ConnectOptions<Send, Receive, Lanes extends LanesOption = LanesOption>
  extends CommonOptions<Send, Receive> {
  /**
   * The lanes wanted beside `main`, by name. Default: all that the listener has, with the codec of the whole. One
   * that the listener does not have rejects with a LaneMismatchError (ERR_RINGBELL_LANES).
   */
  readonly lanes?: Lanes | undefined;
  /** The most bytes for each ring, as for `listen`: the smaller wish of the two sides counts. Default: what the listener says. */
  readonly capacity?: number | undefined;
  /**
   * How to go on while nobody listens yet: see RetryOptions. By default for up to 3 seconds, so that a client may be started
   * shortly before its listener; `false`: one try, and a NotFoundError (ERR_RINGBELL_NOT_FOUND) at once. What
   * does not get better by waiting (no permission, refused, other schema) is never tried again.
   */
  readonly retry?: RetryOptions | false | undefined;
  /** Gives up connecting when it is aborted: rejects with its reason. Of no effect on the channel afterwards. */
  readonly signal?: AbortSignal | undefined;
}

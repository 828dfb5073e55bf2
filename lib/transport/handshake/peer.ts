/** The process at the other end of a connection. */
export interface Peer {
  /**
   * The process id that the peer has here: from the kernel, or without the addon as the peer claims. Undefined
   * if it has none here, because it runs in another pid namespace.
   */
  readonly pid: number | undefined;
  /**
   * The peer's effective user id when it connected or listened; -1 if it is not known, or if the kernel shows
   * a number that stands for every user without a mapping in our user namespace.
   */
  readonly uid: number;
  /** The peer's effective group id when it connected or listened; -1 as for `uid`. */
  readonly gid: number;
  /** The role that the peer claims (`options.role`), at most 64 characters; undefined if it claims none. A claim, not a right. */
  readonly role: string | undefined;
  /** Whether the kernel says which user the peer is. False without the addon, and for a user without a mapping. */
  readonly verified: boolean;
  /**
   * The name of the connection, the same on both sides. The listener makes it and never gives it twice, even
   * after a restart. Empty before the handshake has got that far.
   */
  readonly id: string;
}

/** Decides whether a peer is let in: true lets it in. Any other value, a throw or a rejection refuses the peer. */
export type Authorize = (peer: Peer) => boolean | Promise<boolean>;

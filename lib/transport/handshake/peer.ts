/** The process at the other end of a connection. */
export interface Peer {
  /** The peer's process id: from the kernel if `verified`, else as the peer claims. */
  readonly pid: number;
  /** The peer's effective user id when it connected or listened; -1 if it is not known. */
  readonly uid: number;
  /** The peer's effective group id when it connected or listened; -1 if it is not known. */
  readonly gid: number;
  /** The role that the peer claims (`options.role`), at most 64 characters; undefined if it claims none. A claim, not a right. */
  readonly role: string | undefined;
  /** Whether pid, uid and gid come from the kernel. False without the addon. */
  readonly verified: boolean;
  /**
   * The name of the connection, the same on both sides. The listener makes it and never gives it twice, even
   * after a restart. Empty before the handshake has got that far.
   */
  readonly id: string;
}

/** Decides whether a peer is let in: true lets it in. Any other value, a throw or a rejection refuses the peer. */
export type Authorize = (peer: Peer) => boolean | Promise<boolean>;

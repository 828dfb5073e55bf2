/** The process at the other end of a connection. */
export interface Peer {
  /** Its process id: as the kernel tells if `verified`, else as the peer claims. */
  readonly pid: number;
  /** Its effective user id when it connected or listened; -1 if it is not known. */
  readonly uid: number;
  /** Its effective group id when it connected or listened; -1 if it is not known. */
  readonly gid: number;
  /** What it says it is (`options.role`), at most 64 characters; undefined if it does not say. A claim, not a right. */
  readonly role: string | undefined;
  /** Whether pid, uid and gid come from the kernel. False without the addon. */
  readonly verified: boolean;
  /**
   * Names the connection, the same on both sides; the listener makes it, and never gives it twice, also not across
   * restarts. "" before the handshake has got that far.
   */
  readonly id: string;
}

/** Lets a peer in, or not. A throw or a rejection is a no. */
export type Authorize = (peer: Peer) => boolean | Promise<boolean>;

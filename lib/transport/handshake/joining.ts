import { RefusedError } from "../../errors.js";
import type { Binding } from "../../native/binding.js";
import type { Connection } from "../contract.js";
import { ourIdentity, pidHere } from "../places/identity.js";
import { isOurUid, ourGid, ourUid, singleGid, singleUid } from "../places/user.js";
import type { Wire } from "../wire/wire.js";
import type { Backing, Claim } from "./greetings.js";
import type { TransportChoice } from "./means.js";
import type { Authorize, Peer } from "./peer.js";

/** The settings of a handshake that both sides have. */
export interface HandshakeSettings {
  readonly binding: Binding | undefined;
  readonly transport: TransportChoice;
  /** Undefined: the best backing of the platform. */
  readonly backing: Backing | undefined;
  /** How long to poll before sleeping, in µs; -1: adaptive. */
  readonly spin: number;
  /** The most bytes that the blocks of each side may take; 0: no blocks. */
  readonly bulkBytes: number;
  /** Undefined: only peers of our own user are let in. */
  readonly authorize: Authorize | undefined;
  readonly role: string | undefined;
  /** The time for the whole handshake, in ms. */
  readonly timeout: number;
}

export interface JoinedLane {
  readonly name: string;
  /** Which of the listener's codecs for the lane the connector has. The connector itself has offered only one: 0. */
  readonly choice: number;
}

/** The result of a handshake. */
export interface Joined {
  readonly connection: Connection;
  /** In the order of `connection.lanes`. */
  readonly lanes: readonly JoinedLane[];
  readonly peer: Peer;
}

/** Returns what this process claims about itself. */
export function ourClaim(role: string | undefined): Claim {
  const { pid, space } = ourIdentity();
  return { pid, space, uid: ourUid(), gid: ourGid(), role };
}

/** Describes the peer as the kernel knows it, or else as it describes itself. */
export function describePeer(wire: Wire, claim: Claim | undefined, id: string): Peer {
  const { credentials } = wire;
  const uid = singleUid(credentials?.uid ?? claim?.uid ?? -1);
  return {
    // The kernel gives 0 for a process that our pid namespace does not have.
    pid: (credentials === undefined ? claimedPid(claim) : credentials.pid) || undefined,
    uid,
    gid: singleGid(credentials?.gid ?? claim?.gid ?? -1),
    role: claim?.role,
    verified: credentials !== undefined && uid !== -1,
    id,
  };
}

function claimedPid(claim: Claim | undefined): number | undefined {
  if (claim === undefined) return undefined;
  return claim.space === undefined ? claim.pid : pidHere({ pid: claim.pid, space: claim.space });
}

/** Returns whether the process at the other end runs as our own user, as far as that is known. */
export function isOurs({ credentials }: Wire, claim: Claim | undefined): boolean {
  if (credentials !== undefined) return isOurUid(credentials.uid);
  // A peer that knows no uid of its own is let in. Without the addon, the rights of the socket decide.
  return claim === undefined || claim.uid === -1 || isOurUid(claim.uid);
}

/** Throws a RefusedError unless the peer may come in. `ours`: whether it is of our own user. */
export async function checkPeer(peer: Peer, ours: boolean, authorize: Authorize | undefined): Promise<void> {
  if (authorize === undefined) {
    if (ours) return;
    throw new RefusedError(
      `${nameOf(peer)} is not let in: this side runs as ${userOf(singleUid(ourUid()))} and has no option ` +
        "`authorize`",
    );
  }
  let welcome: unknown;
  try {
    welcome = await authorize(peer);
  } catch (cause) {
    throw new RefusedError(`\`authorize\` threw for ${nameOf(peer)}`, { cause });
  }
  if (welcome === true) return;
  throw new RefusedError(`\`authorize\` did not let ${nameOf(peer)} in`);
}

function nameOf({ pid, uid }: Peer): string {
  return `${pid === undefined ? "a process of another pid namespace" : `the process ${pid}`} of ${userOf(uid)}`;
}

function userOf(uid: number): string {
  return uid === -1 ? "an unknown user (one without a mapping in this user namespace)" : `user ${uid}`;
}

import { RefusedError } from "../../errors.js";
import type { Binding } from "../../native/binding.js";
import type { Connection } from "../contract.js";
import { ourGid, ourIdentity, ourUid } from "../places/identity.js";
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

/** The result of a handshake. */
export interface Joined {
  readonly connection: Connection;
  /** The names of the lanes, in the order of `connection.lanes`. */
  readonly lanes: readonly string[];
  readonly peer: Peer;
}

/** Returns what this process claims about itself. */
export function ourClaim(role: string | undefined): Claim {
  return { pid: ourIdentity().pid, uid: ourUid(), gid: ourGid(), role };
}

/** Describes the peer as the kernel knows it, or else as it describes itself. */
export function describePeer(wire: Wire, claim: Claim | undefined, id: string): Peer {
  const { credentials } = wire;
  return {
    pid: credentials?.pid ?? claim?.pid ?? 0,
    uid: credentials?.uid ?? claim?.uid ?? -1,
    gid: credentials?.gid ?? claim?.gid ?? -1,
    role: claim?.role,
    verified: credentials !== undefined,
    id,
  };
}

/** Returns whether the peer runs as our own user, as far as that is known. */
export function isOurs(peer: Peer): boolean {
  return peer.uid === ourUid() || (!peer.verified && peer.uid === -1);
}

/** Throws a RefusedError unless the peer may come in. */
export async function checkPeer(peer: Peer, authorize: Authorize | undefined): Promise<void> {
  if (authorize === undefined) {
    if (isOurs(peer)) return;
    throw new RefusedError(
      `the process ${peer.pid} of user ${peer.uid} is not let in: this side runs as user ${ourUid()} ` +
        "and has no option `authorize`",
    );
  }
  let welcome: unknown;
  try {
    welcome = await authorize(peer);
  } catch (cause) {
    throw new RefusedError(`\`authorize\` threw for the process ${peer.pid} of user ${peer.uid}`, { cause });
  }
  if (welcome === true) return;
  throw new RefusedError(`\`authorize\` did not let the process ${peer.pid} of user ${peer.uid} in`);
}

import type { ByRole, LaneOffer } from "../transport/handshake/negotiate.js";
import { identities, type ListenSettings, type OfferedLane, offeredLanes } from "./settings.js";

/** The entry of the option `roles` for a peer without a role, or with a role that has no entry. */
const OTHER_ROLES = "default";

/** The lanes that a listener offers to a peer. */
export interface Offer {
  /** The entry of the option `roles`. Undefined without that option. */
  readonly role: string | undefined;
  readonly lanes: readonly OfferedLane[];
}

/** Returns the offers of a listener by the role of the peer. */
export function offersOf(settings: ListenSettings): ByRole<Offer> {
  if (settings.roles === undefined) {
    return { roles: new Map(), other: { role: undefined, lanes: offeredLanes(settings) } };
  }
  const roles = new Map<string, Offer>();
  for (const [role, entry] of settings.roles) roles.set(role, { role, lanes: offeredLanes(entry) });
  return { roles, other: roles.get(OTHER_ROLES) };
}

/** Returns the lanes of the offers in the form that the handshake shows to peers. */
export function presented({ roles, other }: ByRole<Offer>): ByRole<readonly LaneOffer[]> {
  const present = ({ lanes }: Offer) =>
    lanes.map((lane) => ({ ...lane, codecs: lane.codecs.map(identities) }));
  return {
    roles: new Map([...roles].map(([role, offer]) => [role, present(offer)])),
    other: other === undefined ? undefined : present(other),
  };
}

import type { ByRole, LaneOffer } from "../transport/handshake/negotiate.js";
import { identities, type ListenSettings, type OfferedLane, offeredLanes } from "./settings.js";

/** The entry of the option `roles` for peers of every role that has none, and of no role. */
const OTHER_ROLES = "default";

/** What a listener has for a peer. */
export interface Offer {
  /** The entry of the option `roles`; undefined where there is no such option. */
  readonly role: string | undefined;
  readonly lanes: readonly OfferedLane[];
}

/** What a listener has for its peers. */
export function offersOf(settings: ListenSettings): ByRole<Offer> {
  if (settings.roles === undefined) {
    return { roles: new Map(), other: { role: undefined, lanes: offeredLanes(settings) } };
  }
  const roles = new Map<string, Offer>();
  for (const [role, entry] of settings.roles) roles.set(role, { role, lanes: offeredLanes(entry) });
  return { roles, other: roles.get(OTHER_ROLES) };
}

/** The lanes of the offers, as they are presented to peers. */
export function presented({ roles, other }: ByRole<Offer>): ByRole<readonly LaneOffer[]> {
  const present = ({ lanes }: Offer) => lanes.map((lane) => ({ ...lane, codec: identities(lane.codec) }));
  return {
    roles: new Map([...roles].map(([role, offer]) => [role, present(offer)])),
    other: other === undefined ? undefined : present(other),
  };
}

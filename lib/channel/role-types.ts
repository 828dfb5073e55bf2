import type { Channel } from "./channel.js";
import type { LanesOf, MainReceive, MainSend, ReceiveOf, SendOf, UnknownLanes } from "./lane-types.js";
import type { RolesOption } from "./options.js";

/** The types of the channels that a listener with the option `roles` makes. */

/** A channel that a listener made from an entry of the option `roles`. */
export type RoleChannel<Role extends string, Send = unknown, Receive = Send, Lanes = UnknownLanes> = Channel<
  Send,
  Receive,
  Lanes
> & { readonly role: Role };

/** The lanes of an entry of `roles`. An entry without lanes has the lanes of the listener's own options. */
type EntryLanes<Entry, Lanes> = Entry extends { readonly lanes: infer Own extends object } ? Own : Lanes;

type OfEntry<Role extends string, Send, Receive, Lanes> = RoleChannel<
  Role,
  MainSend<Lanes, Send>,
  MainReceive<Lanes, Receive>,
  LanesOf<Lanes, Send, Receive>
>;

/** The channels of a listener with the option `roles`: a type for each entry, which `role` tells apart. */
export type RoleChannels<Roles extends RolesOption, Send, Receive, Lanes> = {
  [Role in keyof Roles & string]: OfEntry<
    Role,
    SendOf<Roles[Role], Send>,
    ReceiveOf<Roles[Role], Receive>,
    EntryLanes<Roles[Role], Lanes>
  >;
}[keyof Roles & string];

import type { Codec } from "../codec/codec.js";
import type { Lane } from "./lane.js";

/** The types of `channel.lane(name)`, from the options that were given to `listen` and `connect`. */

/** The lanes of a channel of which only the listener knows: `lane(name)` takes every name, and the caller says the types. */
export interface UnknownLanes {
  readonly [name: string]: Lane<unknown, unknown>;
}

/** No lane beside `main`. */
export type NoLanes = Readonly<Record<never, never>>;

/** What a codec, or a pair of them, sends; `Default` where there is none. */
type SentBy<Option, Default> = Option extends { readonly send: Codec<infer Send, unknown> }
  ? Send
  : Option extends Codec<infer Send, unknown>
    ? Send
    : Default;

/** What a codec, or a pair of them, receives; `Default` where there is none. */
type ReceivedBy<Option, Default> = Option extends { readonly receive: Codec<never, infer Receive> }
  ? Receive
  : Option extends Codec<never, infer Receive>
    ? Receive
    : Default;

/** What the codec of an entry of `lanes` or `roles` sends, or else that of the whole. */
export type SendOf<Entry, Default> = Entry extends { readonly codec?: infer Option }
  ? SentBy<Option, Default>
  : Default;

/** What the codec of an entry of `lanes` or `roles` receives, or else that of the whole. */
export type ReceiveOf<Entry, Default> = Entry extends { readonly codec?: infer Option }
  ? ReceivedBy<Option, Default>
  : Default;

/** What the lane `main` sends: the option `lanes` may have an entry for it. */
export type MainSend<Lanes, Send> = Lanes extends { readonly main: infer Entry } ? SendOf<Entry, Send> : Send;

/** What the lane `main` receives. */
export type MainReceive<Lanes, Receive> = Lanes extends { readonly main: infer Entry }
  ? ReceiveOf<Entry, Receive>
  : Receive;

/** The lanes beside `main` that the option `lanes` makes, by name. */
export type LanesOf<Lanes, Send, Receive> = string extends keyof Lanes
  ? UnknownLanes
  : {
      readonly [Name in Exclude<keyof Lanes & string, "main">]: Lane<
        SendOf<Lanes[Name], Send>,
        ReceiveOf<Lanes[Name], Receive>
      >;
    };

/** The names that `lane` takes where the lanes are not known: every one. */
export type UnknownName<Lanes> = string extends keyof Lanes ? string : never;

/** The lane of that name. */
export type LaneNamed<Lanes, Name, Send, Receive> = Name extends "main"
  ? Lane<Send, Receive>
  : Name extends keyof Lanes
    ? Lanes[Name]
    : never;

import type { Codec } from "../codec/codec.js";
import type { AnyOf } from "../codec/resolve.js";
import type { Lane } from "./lane.js";

/** The types of `channel.lane(name)`, from the options that were given to `listen` and `connect`. */

/** The lanes of a channel whose lanes only the listener knows. `lane(name)` takes every name, and the caller states the types. */
export interface UnknownLanes {
  readonly [name: string]: Lane<unknown, unknown>;
}

/** No lane beside `main`. */
export type NoLanes = Readonly<Record<never, never>>;

/** The messages that a codec, or a pair of codecs, sends; `Default` without a codec. */
type SentBy<Option, Default> = Option extends { readonly send: Codec<infer Send, unknown> }
  ? Send
  : Option extends Codec<infer Send, unknown> | AnyOf<infer Send, unknown>
    ? Send
    : Default;

/** The messages that a codec, or a pair of codecs, receives; `Default` without a codec. */
type ReceivedBy<Option, Default> = Option extends { readonly receive: Codec<never, infer Receive> }
  ? Receive
  : Option extends Codec<never, infer Receive> | AnyOf<never, infer Receive>
    ? Receive
    : Default;

/** The messages that the codec of an entry of `lanes` or `roles` sends; `Default` without a codec. */
export type SendOf<Entry, Default> = Entry extends { readonly codec?: infer Option }
  ? SentBy<Option, Default>
  : Default;

/** The messages that the codec of an entry of `lanes` or `roles` receives; `Default` without a codec. */
export type ReceiveOf<Entry, Default> = Entry extends { readonly codec?: infer Option }
  ? ReceivedBy<Option, Default>
  : Default;

/** The messages that the lane `main` sends. The option `lanes` may have an entry for it. */
export type MainSend<Lanes, Send> = Lanes extends { readonly main: infer Entry } ? SendOf<Entry, Send> : Send;

/** The messages that the lane `main` receives. */
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

/** The names that `lane` takes if the lanes are not known: every string. */
export type UnknownName<Lanes> = string extends keyof Lanes ? string : never;

/** The lane of that name. */
export type LaneNamed<Lanes, Name, Send, Receive> = Name extends "main"
  ? Lane<Send, Receive>
  : Name extends keyof Lanes
    ? Lanes[Name]
    : never;

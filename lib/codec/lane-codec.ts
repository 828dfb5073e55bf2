import type { Codec } from "./codec.js";

/*
 * Codecs that learn. A lane is ordered and loses nothing, so what one message has said need not be said again. Such a codec has
 * a part of its own for each lane and direction. It is found by the codec itself, not by a property: a codec of the program's that wraps
 * this one, or spreads its properties, gets messages that stand alone.
 */

/** What a codec may ask the lane that it sends on. */
export interface Outgoing {
  /** The number of messages that have gone out. */
  sent(): number;
  /** The number of messages that are complete at the place, and go out before the one that is encoded next. */
  packed(): number;
  /** Whether a message of so many bytes, encoded just now, goes by the ring and before all others, if it goes at all. */
  isNext(bytes: number): boolean;
}

/** Makes the parts of a codec. */
export interface Learning {
  sender(lane: Outgoing): Pick<Codec<unknown>, "encode">;
  receiver(): Pick<Codec<unknown>, "decode">;
}

const learning = new WeakMap<object, Learning>();

/** Declares that a codec learns. */
export function learns<C extends object>(codec: C, parts: Learning): C {
  learning.set(codec, parts);
  return codec;
}

/** Returns the codec that a lane sends by. */
export function codecToSend<Send>(codec: Codec<Send, unknown>, lane: Outgoing): Codec<Send, unknown> {
  const parts = learning.get(codec);
  return parts === undefined ? codec : { ...codec, ...(parts.sender(lane) as Pick<typeof codec, "encode">) };
}

/** Returns the codec that a lane receives by. */
export function codecToReceive<Receive>(codec: Codec<never, Receive>): Codec<never, Receive> {
  const parts = learning.get(codec);
  return parts === undefined ? codec : { ...codec, ...(parts.receiver() as Pick<typeof codec, "decode">) };
}

import type { Scratch } from "./codec.js";

/*
 * Codecs whose messages are short and all of the same length. Such messages may be written to, and read from, memory that a peer shares,
 * without a copy in between. As with codecs that learn, this is found by the codec itself and not by a property: a codec of the program's
 * that wraps this one, or spreads its properties, is used as any other.
 */

/** Where such a message is written. */
export interface InlinePlace {
  /** Returns the offset in `view` at which `bytes` bytes may be written, or -1. Then nothing but `publish` may come between. */
  claim(bytes: number): number;
  /** Sends the message that was written where `claim` said. */
  publish(at: number, bytes: number): void;
  readonly view: DataView;
  /** Where the message is written if `claim` returned -1. */
  readonly place: { readonly scratch: Scratch; readonly at: number };
}

/**
 * Sends the message, and returns {@link GONE}; or writes it to the place, and returns its bytes; or does neither, and returns
 * {@link NOT_INLINE} for a message that `Codec.encode` must look at.
 */
export type InlineEncode = (message: unknown, out: InlinePlace) => number;
export const NOT_INLINE = -1;
export const GONE = -2;

export interface Inline {
  /** The bytes of each message. */
  readonly bytes: number;
  /** Reads and checks the whole message before it claims room and writes: a getter of the message may send. Undefined if the codec can't. */
  readonly encode: InlineEncode | undefined;
  /** Whether `Codec.decode` may read where the peer can write: see `readsOnce` (reads-once.ts). */
  readonly decodes: boolean;
}

const inline = new WeakMap<object, Inline>();

/** Declares what can be done with the messages of a codec. */
export function goesInline<C extends object>(codec: C, how: Inline | undefined): C {
  if (how !== undefined) inline.set(codec, how);
  return codec;
}

/** Returns what can be done with the messages of a codec. */
export function inlineOf(codec: object): Inline | undefined {
  return inline.get(codec);
}

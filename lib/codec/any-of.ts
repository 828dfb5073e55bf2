import { InvalidArgumentError } from "../errors.js";
import type { Codec } from "./codec.js";
import { type AnyOf, assertCodec, type CodecOption, type Codecs, resolveCodecs } from "./resolve.js";

/** The most codecs of one choice. */
const MOST_CHOICES = 4;

/**
 * Several codecs for the option `codec`, the best first: at most 4. `connect` tries one after the other until the listener has it; each costs an
 * attempt. `listen` takes the one that a peer has. So `anyOf(packed(), json())` talks to all who have either.
 *
 * @throws InvalidArgumentError (`ERR_RINGBELL_INVALID_ARGUMENT`) for no codec, for more than 4, and for two that are the same.
 */
export function anyOf<Send, Receive>(
  ...choices: readonly [Codec<Send, Receive>, ...Codec<Send, Receive>[]]
): AnyOf<Send, Receive> {
  if (choices.length === 0 || choices.length > MOST_CHOICES) {
    throw new InvalidArgumentError("choices", `1 to ${MOST_CHOICES} codecs`, choices.length);
  }
  const known = new Set<string>();
  for (const [at, codec] of choices.entries()) {
    assertCodec(codec, `choices[${at}]`);
    const identity = JSON.stringify([codec.name, codec.fingerprint]);
    if (known.has(identity))
      throw new InvalidArgumentError(`choices[${at}]`, "a codec that is not there yet", codec.name);
    known.add(identity);
  }
  return Object.freeze({ choices: Object.freeze([...choices]) });
}

/** All codecs of the option `codec`, checked, the best first. */
export function resolveChoices<Send, Receive>(
  option: CodecOption<Send, Receive>,
  argument = "options.codec",
): readonly Codecs<Send, Receive>[] {
  if (!isChoice(option)) return [resolveCodecs(option, argument)];
  return anyOf(...(option.choices as [Codec<Send, Receive>])).choices.map((one) =>
    resolveCodecs(one, argument),
  );
}

function isChoice(option: unknown): option is AnyOf<never, unknown> {
  return (
    typeof option === "object" && option !== null && Array.isArray((option as Partial<AnyOf<never>>).choices)
  );
}

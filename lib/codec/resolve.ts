import { InvalidArgumentError, UnknownOptionError } from "../errors.js";
import type { Codec } from "./codec.js";

/** Several codecs, of which two sides use one that both have. Made by `anyOf`. */
export interface AnyOf<Send, Receive = Send> {
  /** The best first. */
  readonly choices: readonly Codec<Send, Receive>[];
}

/** One codec for both directions, several of which the two sides use one, or one codec for each direction. */
export type CodecOption<Send, Receive = Send> = AnyOf<Send, Receive> | SingleCodec<Send, Receive>;

/** One codec for both directions, or one for each. */
export type SingleCodec<Send, Receive = Send> =
  | Codec<Send, Receive>
  | {
      readonly send: Codec<Send, unknown>;
      readonly receive: Codec<never, Receive>;
    };

/** The codecs of both directions. */
export interface Codecs<Send, Receive> {
  readonly send: Codec<Send, unknown>;
  readonly receive: Codec<never, Receive>;
}

/**
 * Checks that a value is a codec, as far as it can be told without using it.
 * @throws InvalidArgumentError (`ERR_RINGBELL_INVALID_ARGUMENT`) that names the part that is missing.
 */
export function assertCodec(value: unknown, argument = "codec"): asserts value is Codec<unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidArgumentError(argument, "a codec such as json() or struct({…})", value);
  }
  if ("choices" in value) throw new InvalidArgumentError(argument, "one codec; anyOf(…) stands alone", value);
  const codec = value as Partial<Record<keyof Codec<unknown>, unknown>>;
  const check = (key: keyof Codec<unknown>, fits: boolean, expected: string) => {
    if (!fits) throw new InvalidArgumentError(`${argument}.${key}`, expected, codec[key]);
  };
  const isText = (text: unknown) => typeof text === "string" && text !== "";
  check("name", isText(codec.name), "a string that is not empty");
  check("fingerprint", isText(codec.fingerprint), "a string that is not empty");
  check("encode", typeof codec.encode === "function", "a function");
  check("decode", typeof codec.decode === "function", "a function");
  check("schema", codec.schema === undefined || typeof codec.schema === "string", "a string");
  const isFlag = (flag: unknown) => flag === undefined || typeof flag === "boolean";
  check("opaque", isFlag(codec.opaque), "true or false");
  check("inPlace", isFlag(codec.inPlace), "true or false");
}

/**
 * Both codecs of the option `codec`, checked.
 * @throws InvalidArgumentError (`ERR_RINGBELL_INVALID_ARGUMENT`), UnknownOptionError (`ERR_RINGBELL_UNKNOWN_OPTION`).
 */
export function resolveCodecs<Send, Receive>(
  option: SingleCodec<Send, Receive>,
  argument = "options.codec",
): Codecs<Send, Receive> {
  if (isPair(option)) {
    for (const key of Object.keys(option)) {
      if (key !== "send" && key !== "receive") {
        throw new UnknownOptionError(`${argument}.${key}`, [`${argument}.send`, `${argument}.receive`]);
      }
    }
    const { send, receive } = option;
    assertCodec(send, `${argument}.send`);
    assertCodec(receive, `${argument}.receive`);
    return { send, receive };
  }
  assertCodec(option, argument);
  return { send: option, receive: option } as Codecs<Send, Receive>;
}

function isPair<Send, Receive>(option: SingleCodec<Send, Receive>): option is Codecs<Send, Receive> {
  return (
    typeof option === "object" &&
    option !== null &&
    !("encode" in option) &&
    ("send" in option || "receive" in option)
  );
}

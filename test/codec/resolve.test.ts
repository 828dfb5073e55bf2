import { expect, it } from "vitest";
import { assertCodec, type Codec, json, text, u32 } from "../../lib/codec/index.js";
import { resolveCodecs } from "../../lib/codec/resolve.js";
import { InvalidArgumentError, UnknownOptionError } from "../../lib/errors.js";
import { thrown } from "./support.js";

const own: Codec<number> = { name: "own", fingerprint: "1", encode: () => 0, decode: () => 0 };

it("takes one codec for both directions, or one for each", () => {
  expect(resolveCodecs(own)).toEqual({ send: own, receive: own });
  const [send, receive] = [text(), json()];
  expect(resolveCodecs({ send, receive })).toEqual({ send, receive });
});

it("refuses what is no codec, and names what is missing", () => {
  const cases: [unknown, string][] = [
    [undefined, "options.codec"],
    ["json", "options.codec"],
    [json, "options.codec"],
    [u32, "options.codec.name"],
    [{ ...own, fingerprint: "" }, "options.codec.fingerprint"],
    [{ ...own, decode: undefined }, "options.codec.decode"],
    [{ ...own, opaque: 1 }, "options.codec.opaque"],
    [{ send: own }, "options.codec.receive"],
    [{ send: own, receive: { ...own, encode: 1 } }, "options.codec.receive.encode"],
  ];
  for (const [option, argument] of cases) {
    const error = thrown(() => resolveCodecs(option as Codec<number>));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error).toMatchObject({ argument });
  }
  expect(() => resolveCodecs({ send: own, receive: own, recieve: own } as never)).toThrow(UnknownOptionError);
  expect(() => assertCodec(own)).not.toThrow();
});

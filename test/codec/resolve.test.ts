import { expect, it } from "vitest";
import { assertCodec, type Codec, json, struct, text, u32 } from "../../lib/codec/index.js";
import { compareCodecs, identify, resolveCodecs } from "../../lib/codec/resolve.js";
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
    [{ ...own, maxBytes: 5 }, "options.codec.maxBytes"],
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

it("compares what one side sends with what the other receives", () => {
  const [a, b] = [struct({ id: u32 }), struct({ id: u32, name: text() })];
  const listener = identify(resolveCodecs({ send: a, receive: b }));
  const connector = identify(resolveCodecs({ send: b, receive: a }));
  expect(compareCodecs(listener, connector)).toBeUndefined();
  const error = compareCodecs(listener, listener);
  expect(error?.message).toBe(
    "this side sends struct { id: u32 }, the other receives struct { id: u32, name: text }",
  );
  expect(error).toMatchObject({ code: "ERR_RINGBELL_SCHEMA", ours: a.fingerprint, theirs: b.fingerprint });
});

it("tells codecs of the same words apart by their fingerprint", () => {
  const ours = identify(resolveCodecs(own));
  const theirs = identify(resolveCodecs({ ...own, fingerprint: "2" }));
  expect(compareCodecs(ours, theirs)?.message).toContain(
    "the same words, but not the same layout or version",
  );
});

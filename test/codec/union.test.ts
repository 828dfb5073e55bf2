import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import type { Block } from "../../lib/bulk/block.js";
import type { Codec } from "../../lib/codec/codec.js";
import type { Field, RootShape } from "../../lib/codec/field.js";
import {
  array,
  block,
  bool,
  bytes,
  f32,
  f64,
  type Infer,
  i16,
  i53,
  oneOf,
  optional,
  struct,
  text,
  u8,
  u16,
  u32,
  u64,
  union,
} from "../../lib/codec/index.js";
import { makeCodec, type StructCodec, type StructFields } from "../../lib/codec/struct.js";
import { DecodeError, EncodeError, InvalidArgumentError } from "../../lib/errors.js";
import {
  blockOf,
  carry,
  contentOf,
  decode,
  encode,
  OFFSET,
  pack,
  roundTrip,
  scratchOf,
  thrown,
  unpack,
} from "./support.js";

const Event = union("type", { tick: struct({ id: u32, price: f64 }), bye: struct({}) });

/** A field and the values that it has. */
interface Sample {
  readonly field: Field<unknown>;
  readonly value: fc.Arbitrary<unknown>;
}

const simple: readonly Sample[] = [
  { field: u8, value: fc.nat(255) },
  { field: i16, value: fc.integer({ min: -32_768, max: 32_767 }) },
  { field: u32, value: fc.nat() },
  { field: i53, value: fc.maxSafeInteger() },
  { field: u64, value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
  { field: f32, value: fc.float() },
  { field: f64, value: fc.double() },
  { field: bool, value: fc.boolean() },
  { field: oneOf("x", "y", "z"), value: fc.constantFrom("x", "y", "z") },
  { field: text(), value: fc.string({ unit: "grapheme", maxLength: 20 }) },
  { field: text(5), value: fc.string({ maxLength: 5 }).filter((s) => !s.includes("\0")) },
  { field: bytes(), value: fc.uint8Array({ maxLength: 20 }) },
  { field: bytes(3), value: fc.uint8Array({ minLength: 3, maxLength: 3 }) },
];

const key = fc.oneof(fc.constantFrom("a", "b", "c"), fc.string({ maxLength: 4 }));
const isKey = (name: string) => name !== "__proto__" && !/^(0|[1-9][0-9]*)$/.test(name);
const keys = fc.uniqueArray(
  key.filter((name) => isKey(name) && name !== "tag"),
  { maxLength: 4 },
);

/** Structs with any fields, and what their values are. */
function structs(depth: number): fc.Arbitrary<Sample> {
  return keys.chain((names) =>
    fc.tuple(...names.map(() => fields(depth))).map((samples) => {
      const each = <T>(of: (sample: Sample) => T) =>
        Object.fromEntries(names.map((name, i) => [name, of(samples[i]!)]));
      return {
        field: struct(each((sample) => sample.field)),
        value: fc.record(each((sample) => sample.value)),
      };
    }),
  );
}

/** Unions of any structs. */
function unions(depth: number): fc.Arbitrary<Sample> {
  const names = fc.uniqueArray(key.filter(isKey), { minLength: 1, maxLength: 5 });
  return names.chain((names) =>
    fc.tuple(...names.map(() => structs(depth))).map((samples) => {
      const variants = Object.fromEntries(
        names.map((name, i) => [name, samples[i]!.field as StructCodec<object>]),
      );
      const values = samples.map(({ value }, i) =>
        value.map((fields) => ({ tag: names[i]!, ...(fields as object) })),
      );
      return { field: union("tag", variants), value: fc.oneof(...values) };
    }),
  );
}

function fields(depth: number): fc.Arbitrary<Sample> {
  const leaf = fc.constantFrom(...simple);
  if (depth === 0) return leaf;
  const inner = fields(depth - 1);
  return fc.oneof(
    { arbitrary: leaf, weight: 3 },
    { arbitrary: unions(depth - 1), weight: 3 },
    structs(depth - 1),
    inner
      .filter(({ field }) => field.shape.kind !== "optional")
      .map(({ field, value }) => ({ field: optional(field), value: fc.option(value, { nil: undefined }) })),
    inner
      .filter(({ field }) => field.shape.size > 0)
      .map(({ field, value }) => ({ field: array(field), value: fc.array(value, { maxLength: 3 }) })),
    inner
      .filter(({ field }) => field.shape.size > 0)
      .map(({ field, value }) => ({
        field: array(field, 2),
        value: fc.array(value, { minLength: 2, maxLength: 2 }),
      })),
  );
}

/** Any union, and some messages of it: to make its codecs takes longer than to use them. */
const anything = unions(2).chain(({ field, value }) =>
  fc.array(value, { minLength: 1, maxLength: 10 }).map((messages) => ({
    codecs: both(field.shape as RootShape),
    messages,
  })),
);
const RUNS = { numRuns: 50 };

/** The codecs of a shape, by generated code and by closures. */
function both(shape: RootShape): [Codec<unknown>, Codec<unknown>] {
  const make = (generated: boolean) => ({ ...makeCodec<unknown>(shape, generated), name: "union" });
  return [make(true), make(false)];
}

function outcome(codec: Codec<unknown>, data: Uint8Array): unknown {
  try {
    return decode(codec, data);
  } catch (error) {
    expect(error).toBeInstanceOf(DecodeError);
    return String(error);
  }
}

describe("a union of anything", () => {
  it("arrives as it was sent, by the same bytes from both paths", () => {
    fc.assert(
      fc.property(anything, ({ codecs: [generated, closures], messages }) => {
        for (const message of messages) {
          const data = encode(generated, message);
          expect(encode(closures, message)).toEqual(data);
          expect(decode(generated, data)).toEqual(message);
          expect(decode(closures, data)).toEqual(message);
        }
      }),
      RUNS,
    );
  });

  it("is taken and refused alike by both paths when bytes of it were changed, and refused cut off or with more", () => {
    const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    const change = fc.record({ at: place, to: fc.oneof(fc.nat(4), fc.nat(255)) });
    const changes = fc.array(fc.array(change, { maxLength: 3 }), { minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(anything, changes, place, ({ codecs: [generated, closures], messages }, changes, cut) => {
        for (const [i, message] of messages.entries()) {
          const data = encode(generated, message);
          expect(() => decode(generated, data.subarray(0, cut * data.length))).toThrow(DecodeError);
          expect(() => decode(generated, Uint8Array.of(...data, 0))).toThrow(DecodeError);
          for (const { at, to } of changes[i]!) data[Math.floor(at * data.length)] = to;
          expect(outcome(generated, data)).toEqual(outcome(closures, data));
        }
      }),
      RUNS,
    );
  });

  it("says how much room it needs, wherever the scratch ends", () => {
    fc.assert(
      fc.property(anything, fc.nat(), ({ codecs, messages }, cut) => {
        for (const codec of codecs) {
          for (const message of messages) {
            const { length } = encode(codec, message);
            // -1 would say nothing of how much.
            const needed = -Math.max(length, 2);
            expect(codec.encode(message, scratchOf(OFFSET + (cut % length)), OFFSET, [])).toBe(needed);
            expect(codec.encode(message, scratchOf(OFFSET + length), OFFSET, [])).toBe(length);
          }
        }
      }),
      RUNS,
    );
  });

  it("is refused, or something else, where random bytes come", () => {
    const random = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 });
    fc.assert(
      fc.property(anything, random, ({ codecs: [generated, closures] }, all) => {
        for (const data of all) expect(outcome(generated, data)).toEqual(outcome(closures, data));
      }),
      RUNS,
    );
  });
});

describe.each([
  ["generated code", true],
  ["closures", false],
])("a union by %s", (_, generated) => {
  const make = <T>(field: Codec<T> & Field<T>): Codec<T> => ({
    ...makeCodec<T>(field.shape as RootShape, generated),
    name: field.name,
  });

  it("lies as its documentation draws it", () => {
    const codec = make(Event);
    const tick = Buffer.alloc(24);
    tick.writeUInt32LE(7, 8);
    tick.writeDoubleLE(2.5, 16);
    expect(Buffer.from(encode(codec, { type: "tick", id: 7, price: 2.5 }))).toEqual(tick);
    expect(encode(codec, { type: "bye" })).toEqual(Uint8Array.of(1));
  });

  it("has its tag in the place of the field, and its variant in the tail, in the order of the fields", () => {
    const Part = union("kind", { wide: struct({ n: u32, s: text() }), flag: struct({ on: bool }) });
    const codec = make(struct({ before: u8, part: Part, list: array(Part), after: text() }));
    const message = {
      before: 9,
      part: { kind: "flag" as const, on: true },
      list: [
        { kind: "wide" as const, n: 5, s: "ab" },
        { kind: "flag" as const, on: false },
      ],
      after: "z",
    };
    const expected = Buffer.alloc(30);
    // The fixed part: before, the tag of part, two of padding, the count of the list, the length of the text.
    expected.set([9, 1, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]);
    // The tail: part's struct, the list's tags, zeros, the struct of the first and its text, that of the second, the text.
    expected.set([1, 0, 1, 0, 5, 0, 0, 0, 2, 0, 0, 0, 0x61, 0x62, 0, 0x7a], 12);
    expect(Buffer.from(encode(codec, message)).toString("hex")).toBe(
      expected.subarray(0, 28).toString("hex"),
    );
    expect(roundTrip(codec, message)).toEqual(message);
  });

  it("begins with the tag, whatever comes, and leaves out what the variant does not have", () => {
    const codec = make(Event);
    const received = roundTrip(codec, { price: 1, extra: 5, id: 2, type: "tick" } as never);
    expect(Object.entries(received)).toEqual([
      ["type", "tick"],
      ["id", 2],
      ["price", 1],
    ]);
  });

  it("refuses a missing or unknown tag, and names it with the variants", () => {
    const codec = make(struct({ list: array(Event) }));
    for (const type of [undefined, "tock", "toString", 0, null]) {
      const error = thrown(() => encode(codec, { list: [{ type: "bye" }, { type, id: 1 } as never] }));
      expect(error).toMatchObject({ name: "EncodeError", code: "ERR_RINGBELL_ENCODE", path: "list[1].type" });
      expect(error.message).toContain('must be one of "tick", "bye"');
    }
    const root = thrown(() => encode(make(Event), { type: "tock" } as never));
    expect(root).toMatchObject({ path: "type", message: 'type: must be one of "tick", "bye"; it is "tock"' });
  });

  it("refuses what is no object, and a value that the variant's field does not take", () => {
    for (const value of [null, undefined, "tick", 0, () => {}]) {
      const error = thrown(() => encode(make(Event), value as never));
      expect(error).toMatchObject({ name: "EncodeError", path: "" });
    }
    const missing = thrown(() => encode(make(Event), { type: "tick", id: 1 } as never));
    expect(missing).toMatchObject({ path: "price" });
    // A field of another variant does not matter.
    expect(roundTrip(make(Event), { type: "bye", price: "no number" } as never)).toEqual({ type: "bye" });
  });

  it("refuses an unknown tag in what arrives, and a variant that the message has no room for", () => {
    const codec = make(struct({ list: array(Event) }));
    const data = encode(codec, { list: [{ type: "bye" }, { type: "bye" }] });
    data[5] = 2;
    expect(thrown(() => decode(codec, data))).toMatchObject({
      name: "DecodeError",
      path: "list[1].type",
      message: "list[1].type: must be the position of a variant, 0 to 1; it is 2",
    });
    data[5] = 0;
    expect(thrown(() => decode(codec, data))).toMatchObject({
      path: "list[1]",
      message: 'list[1]: the variant "tick" of 16 bytes, but only 0 bytes are left',
    });
  });

  it("sends zeros, not what an earlier message left, before the variant", () => {
    const codec = make(struct({ n: u8, maybe: optional(Event), event: Event }));
    const data = encode(codec, { n: 1, maybe: undefined, event: { type: "tick", id: 0, price: 0 } });
    expect([...data].filter((byte) => byte !== 0)).toEqual([1]);
  });

  it.each([16, 17, 256, 257, 300])("tells %i variants apart", (count) => {
    const variants = Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`v${i}`, struct({ [`n${i}`]: f64, list: array(u16) })]),
    );
    const codec = make(union("type", variants));
    for (const i of [0, 1, 15, 16, 255, 256, 299].filter((index) => index < count)) {
      const message = { type: `v${i}`, [`n${i}`]: i, list: [i] };
      const data = encode(codec, message as never);
      expect(data.subarray(0, count > 256 ? 2 : 1)).toEqual(
        count > 256 ? Uint8Array.of(i, i >> 8) : Uint8Array.of(i),
      );
      expect(decode(codec, data)).toEqual(message);
    }
    for (const type of ["v300", undefined]) {
      expect(thrown(() => encode(codec, { type } as never))).toMatchObject({ path: "type" });
    }
    expect(() => decode(codec, Uint8Array.of(255, 255))).toThrow(DecodeError);
    expect(() => decode(codec, new Uint8Array(0))).toThrow(DecodeError);
    expect(codec.encode({ type: "v0", n0: 1, list: [1] } as never, scratchOf(OFFSET), OFFSET, [])).toBe(-26);
  });

  it("says some room for a message with a bad tag behind a long text, and then refuses it", () => {
    const codec = make(struct({ a: text(), b: Event, c: array(Event) }));
    for (const bad of [{ b: 5 }, { b: { type: "no" } }, { c: [5] }, { c: [{ type: "no" }] }]) {
      const m = { a: "x".repeat(100), b: { type: "bye" }, c: [], ...bad } as never;
      const needed = -codec.encode(m, scratchOf(OFFSET + 50), OFFSET, []);
      expect(needed).toBeGreaterThan(100);
      expect(() => codec.encode(m, scratchOf(OFFSET + needed), OFFSET, [])).toThrow(EncodeError);
    }
  });

  it("carries names that look like code", () => {
    const odd = 'x"]; throw 1; //';
    const odder = "`\u2028\\";
    const codec = make(
      union(odd, { [odd]: struct({ constructor: u8 } as StructFields), [odder]: struct({}) }),
    );
    for (const message of [{ [odd]: odd, constructor: 3 }, { [odd]: odder }]) {
      expect(roundTrip(codec, message as never)).toEqual(message);
    }
  });

  it("lets a getter encode with the same codec in between", () => {
    const codec = make(
      union("type", { a: struct({ list: array(u8), s: text() }), b: struct({ t: text() }) }),
    );
    const outer = {
      type: "a" as const,
      list: [1],
      get s() {
        encode(codec, { type: "b", t: "inner" });
        return "outer";
      },
    };
    expect(roundTrip(codec, outer)).toEqual({ type: "a", list: [1], s: "outer" });
  });

  it("carries blocks in its variants, and releases them when the rest is refused", () => {
    const Image = struct({ pixels: block, more: array(block), name: text() });
    const Item = union("type", { image: Image, none: struct({}) });
    const fields = struct({ list: array(Item), n: oneOf("a", "b") });
    const codec = make(fields);
    const image = (name: string) => ({
      type: "image" as const,
      pixels: blockOf(`${name} 0`),
      more: [blockOf(`${name} 1`)],
      name,
    });
    const fresh = () => ({ list: [image("x"), { type: "none" as const }, image("y")], n: "b" as const });
    const contents = ({ list }: Infer<typeof fields>) =>
      list.map((each) => (each.type === "none" ? [] : [each.pixels, ...each.more].map(contentOf)));
    expect(contents(carry(codec, fresh()))).toEqual([["x 0", "x 1"], [], ["y 0", "y 1"]]);
    const parcel = pack(codec, fresh());
    parcel.bytes[4] = 2;
    const { error, released } = unpack(codec, parcel);
    expect(error).toMatchObject({ name: "DecodeError", path: "n" });
    expect(released).toEqual([1, 1, 1, 1]);
    const refused = { ...fresh(), n: "c" as "b" };
    expect(thrown(() => encode(codec, refused))).toMatchObject({ path: "n" });
    expect(contents(carry(codec, { ...refused, n: "a" }))).toEqual([["x 0", "x 1"], [], ["y 0", "y 1"]]);
  });

  it("of many variants carries blocks, too", () => {
    const variants = Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [`v${i}`, struct({ one: block, n: oneOf("a", "b") })]),
    );
    const codec = make(union("type", variants));
    const received = carry(codec, { type: "v19", one: blockOf("x"), n: "a" } as never) as { one: Block };
    expect(contentOf(received.one)).toBe("x");
    const parcel = pack(codec, { type: "v19", one: blockOf("x"), n: "a" } as never);
    parcel.bytes[8] = 2;
    expect(unpack(codec, parcel)).toMatchObject({ error: { path: "n" }, released: [1] });
  });
});

describe("the definition of a union", () => {
  it("has a canonical text and a fingerprint of it: of tag, names, order and shapes", () => {
    expect(Event).toMatchObject({
      name: "union",
      schema: "union(type: tick { id: u32, price: f64 } | bye {})",
    });
    const [tick, bye] = [struct({ id: u32, price: f64 }), struct({})];
    expect(union("odd tag", { "odd name": bye }).schema).toBe('union("odd tag": "odd name" {})');
    expect(union("type", { tick, bye }).fingerprint).toBe(Event.fingerprint);
    const others = [
      union("kind", { tick, bye }),
      union("type", { bye, tick }),
      union("type", { tick }),
      union("type", { tock: tick, bye }),
      union("type", { tick: struct({ id: u32, price: f32 }), bye }),
      struct({ type: Event }),
    ];
    const fingerprints = [Event, ...others].map((codec) => codec.fingerprint);
    expect(new Set(fingerprints).size).toBe(fingerprints.length);
    // Fixed for good: a new release must still talk to an old one, or change the number in what is hashed.
    expect(Event.fingerprint).toBe("1a4e956e1f102d1c");
  });

  it("is refused where it makes no sense", () => {
    const bad: (() => unknown)[] = [
      () => union("type", {}),
      () => union("type", null as never),
      () => union(5 as never, { a: struct({}) }),
      () => union("0", { a: struct({}) }),
      () => union("__proto__", { a: struct({}) }),
      () => union("type", { 1: struct({}) }),
      () => union("type", { ["__proto__"]: struct({}) }),
      () => union("type", { a: u8 as never }),
      () => union("type", { a: Event as never }),
      () => union("type", { a: optional(struct({})) as never }),
      () => union("type", { a: struct({ type: u8 }) }),
      () =>
        union("type", Object.fromEntries(Array.from({ length: 65_537 }, (_, i) => [`v${i}`, struct({})]))),
    ];
    for (const act of bad) expect(act, String(act)).toThrow(InvalidArgumentError);
    expect(() => union("type", { a: struct({ type: u8 }) })).toThrow(
      'the variant "a" must be a struct without the field "type"',
    );
  });

  it("gives the type of the messages", () => {
    const Message = union("type", {
      tick: struct({ id: u32, note: optional(text()) }),
      order: struct({ side: oneOf("buy", "sell"), events: array(Event) }),
      bye: struct({}),
    });
    type Message = Infer<typeof Message>;
    expectTypeOf<Message>().toEqualTypeOf<
      | { type: "tick"; id: number; note?: string | undefined }
      | {
          type: "order";
          side: "buy" | "sell";
          events: ({ type: "tick"; id: number; price: number } | { type: "bye" })[];
        }
      | { type: "bye" }
    >();
    const told = (message: Message): string => {
      switch (message.type) {
        case "tick":
          return message.note ?? String(message.id);
        case "order":
          return message.side;
        case "bye":
          return message.type;
      }
    };
    expect(told({ type: "order", side: "buy", events: [] })).toBe("buy");
    // @ts-expect-error: there is no such variant.
    const wrong: Message = { type: "tock" };
    expectTypeOf(wrong).toExtend<object>();
  });
});

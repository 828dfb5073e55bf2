import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import {
  array,
  bool,
  bytes,
  type Codec,
  clone,
  f32,
  f64,
  type Infer,
  i8,
  i16,
  i32,
  i53,
  i64,
  json,
  oneOf,
  optional,
  struct,
  text,
  u8,
  u16,
  u32,
  u53,
  u64,
  union,
} from "../../lib/codec/index.js";
import {
  layOut,
  makeStruct,
  type StructCodec,
  type StructFields,
  type StructOf,
} from "../../lib/codec/struct.js";
import { DecodeError, EncodeError, InvalidArgumentError } from "../../lib/errors.js";
import { decode, encode, OFFSET, roundTrip, scratchOf, thrown } from "./support.js";

const Order = { side: oneOf("buy", "sell"), price: f64, note: optional(text()) };
const everything = {
  a: u8,
  b: i8,
  c: u16,
  d: i16,
  e: u32,
  f: i32,
  g: u53,
  h: i53,
  i: u64,
  j: i64,
  k: f32,
  l: f64,
  m: bool,
  n: oneOf("x", "y", "z"),
  o: text(12),
  p: bytes(5),
  q: text(),
  r: bytes(),
  s: optional(u16),
  t: array(struct(Order)),
  u: array(array(text()), 2),
  v: struct({ w: array(f64), x: optional(struct({ y: u8, z: array(u16) })) }),
  "odd key": array(bool, 3),
};
const manyValues = Array.from({ length: 300 }, (_, i) => `value ${i}`) as [string, ...string[]];

const sound = fc.string({ unit: "grapheme", maxLength: 30 }).filter((s) => !s.includes("\0"));
const order = fc.record(
  { side: fc.constantFrom("buy" as const, "sell" as const), price: fc.double(), note: sound },
  { requiredKeys: ["side", "price"] },
);
const message: fc.Arbitrary<StructOf<typeof everything>> = fc.record({
  a: fc.integer({ min: 0, max: 255 }),
  b: fc.integer({ min: -128, max: 127 }),
  c: fc.integer({ min: 0, max: 65_535 }),
  d: fc.integer({ min: -32_768, max: 32_767 }),
  e: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  f: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  g: fc.maxSafeNat(),
  h: fc.maxSafeInteger(),
  i: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  j: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  k: fc.float(),
  l: fc.double(),
  m: fc.boolean(),
  n: fc.constantFrom("x" as const, "y" as const, "z" as const),
  o: sound.filter((s) => Buffer.byteLength(s) <= 12),
  p: fc.uint8Array({ minLength: 5, maxLength: 5 }),
  q: sound,
  r: fc.uint8Array({ maxLength: 80 }),
  s: fc.option(fc.integer({ min: 0, max: 65_535 }), { nil: undefined }),
  t: fc.array(order, { maxLength: 4 }),
  u: fc.array(fc.array(sound, { maxLength: 4 }), { minLength: 2, maxLength: 2 }),
  v: fc.record({
    w: fc.array(fc.double(), { maxLength: 4 }),
    x: fc.option(fc.record({ y: fc.nat(255), z: fc.array(fc.nat(65_535), { maxLength: 5 }) }), {
      nil: undefined,
    }),
  }),
  "odd key": fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
});

it("both paths write the same bytes", () => {
  const shape = layOut(everything);
  const [generated, closures] = [makeStruct(shape, true), makeStruct(shape, false)];
  fc.assert(
    fc.property(message, (m) => {
      expect(encode(generated, m)).toEqual(encode(closures, m));
    }),
  );
});

it("both paths take and refuse the same bytes, and return the same", () => {
  const shape = layOut(everything);
  const codecs = [makeStruct(shape, true), makeStruct(shape, false)];
  const outcome = (codec: StructCodec<unknown>, bytes: Uint8Array) => {
    try {
      return decode(codec, bytes);
    } catch (error) {
      return String(error);
    }
  };
  const mutation = fc.record({
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    to: fc.nat(255),
  });
  fc.assert(
    fc.property(message, fc.array(mutation, { maxLength: 3 }), (m, mutations) => {
      const bytes = encode(codecs[0]!, m);
      for (const { at, to } of mutations) bytes[Math.floor(at * bytes.length)] = to;
      expect(outcome(codecs[0]!, bytes)).toEqual(outcome(codecs[1]!, bytes));
    }),
  );
});

describe.each([
  ["generated code", true],
  ["closures", false],
])("struct by %s", (_, generated) => {
  const make = <F extends StructFields>(fields: F) => makeStruct<StructOf<F>>(layOut(fields), generated);

  it("brings back every message as it was sent", () => {
    const codec = make(everything);
    fc.assert(
      fc.property(message, (m) => {
        const expected = {
          ...m,
          s: m.s,
          t: m.t.map(({ side, price, note }) => ({ side, price, note })),
        };
        expect(roundTrip(codec, m)).toEqual(expected);
      }),
    );
  });

  it("throws nothing but a DecodeError for random bytes, and reads none beyond the message", () => {
    const codecs = [make(everything), make({ a: array(u8) }), make({ a: text(), b: array(struct(Order)) })];
    fc.assert(
      fc.property(fc.constantFrom(...codecs), fc.uint8Array({ maxLength: 400 }), (codec, bytes) => {
        try {
          decode(codec as StructCodec<unknown>, bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("refuses a message cut off anywhere or with bytes behind it", () => {
    const codec = make(everything);
    fc.assert(
      fc.property(message, fc.nat(), (m, cut) => {
        const bytes = encode(codec, m);
        expect(() => decode(codec, bytes.subarray(0, cut % bytes.length))).toThrow(DecodeError);
        expect(() => decode(codec, Uint8Array.of(...bytes, 0))).toThrow(DecodeError);
      }),
    );
  });

  it("says how much room it needs, wherever the scratch ends, rather than writing past it or throwing", () => {
    const codec = make(everything);
    fc.assert(
      fc.property(message, fc.nat(), (m, cut) => {
        const bytes = encode(codec, m);
        const short = scratchOf(OFFSET + (cut % bytes.length));
        expect(codec.encode(m, short, OFFSET, [])).toBe(-bytes.length);
        const exact = scratchOf(OFFSET + bytes.length);
        expect(codec.encode(m, exact, OFFSET, [])).toBe(bytes.length);
      }),
    );
  });

  it("lays messages out as its documentation draws them", () => {
    const codec = make({
      id: u32,
      side: oneOf("buy", "sell"),
      price: f64,
      name: text(),
      fills: array(struct({ at: f64, size: u32 })),
    });
    const bytes = encode(codec, {
      id: 7,
      side: "sell",
      price: 2.5,
      name: "ab",
      fills: [{ at: 1.5, size: 9 }],
    });
    const expected = Buffer.alloc(48);
    expected.writeUInt32LE(7, 0);
    expected.writeUInt8(1, 4);
    expected.writeDoubleLE(2.5, 8);
    expected.writeUInt32LE(2, 16);
    expected.writeUInt32LE(1, 20);
    expected.write("ab", 24);
    expected.writeDoubleLE(1.5, 32);
    expected.writeUInt32LE(9, 40);
    expect(Buffer.from(bytes).toString("hex")).toBe(expected.toString("hex"));
  });

  it("sends zeros, not what an earlier message left, in padding, absent values and the rest of a fixed text", () => {
    const codec = make({
      a: u8,
      b: optional(array(f64, 4)),
      c: text(9),
      d: optional(u64),
      e: array(f64),
      f: u8,
    });
    const bytes = encode(codec, { a: 1, c: "x", e: [], f: 2 });
    expect([...bytes].filter((byte) => byte !== 0)).toEqual([1, 0x78, 2]);
  });

  it("ignores what stands in the padding and behind the end of a fixed text", () => {
    const codec = make({ a: u8, b: u32, c: text(4) });
    const bytes = encode(codec, { a: 1, b: 2, c: "x" });
    bytes.fill(0xff, 1, 4);
    bytes.set([0xff, 0xff], 10);
    expect(decode(codec, bytes)).toEqual({ a: 1, b: 2, c: "x" });
  });

  it.each([
    ["u8", u8, [-1, 256, 1.5, Number.NaN, "1", 1n, null, {}, Number.POSITIVE_INFINITY]],
    ["i8", i8, [-129, 128, 0.1]],
    ["u16", u16, [-1, 65_536]],
    ["i16", i16, [-32_769, 32_768]],
    ["u32", u32, [-1, 2 ** 32, Number.NaN, 0.5, new Number(1), Symbol("s"), 5n]],
    ["i32", i32, [-(2 ** 31) - 1, 2 ** 31]],
    ["u53", u53, [-1, 2 ** 53, 0.5, 1n]],
    ["i53", i53, [-(2 ** 53), 2 ** 53, Number.NaN]],
    ["u64", u64, [-1n, 2n ** 64n, 1]],
    ["i64", i64, [-(2n ** 63n) - 1n, 2n ** 63n, 1]],
    ["f32", f32, [1e39, -1e39, "1", 1n]],
    ["f64", f64, ["1", 1n, null, true]],
    ["bool", bool, [0, 1, "true", null]],
    ["oneOf", oneOf("a", "b"), ["c", 0, "toString", null]],
    ["text", text(), [1, null, "\ud800", `${"long ".repeat(20)}\udc00`]],
    ["text(4)", text(4), ["12345", "äöü", "\ud800", "a\0", 1]],
    ["bytes", bytes(), ["a", [1], new ArrayBuffer(1), new Uint16Array(1)]],
    ["bytes(2)", bytes(2), [new Uint8Array(1), new Uint8Array(3), [1, 2]]],
    ["array", array(u8), [{ length: 0 }, "a", null, [256]]],
    ["array of 2", array(u8, 2), [[1], [1, 2, 3], null]],
    ["struct", struct({ x: u8 }), [1, null, "x", {}, () => {}]],
    ["optional", optional(u8), [null, 256]],
  ])("refuses what is no %s, and names the field", (_name, field, values) => {
    const codec = make({ before: u8, field } as StructFields);
    for (const value of values) {
      const error = thrown(() => encode(codec, { before: 1, field: value }));
      expect(error, String(value)).toBeInstanceOf(EncodeError);
      expect(error).toMatchObject({ code: "ERR_RINGBELL_ENCODE" });
      expect(error.path).toMatch(/^field(\[0\]|\.x)?$/);
    }
  });

  it("names the place of a bad value deep inside a message, both ways", () => {
    const codec = make({ orders: array(struct({ "a b": array(oneOf("x", "y"), 2) })) });
    const good = {
      orders: [{ "a b": ["x" as const, "x" as const] }, { "a b": ["x" as const, "y" as const] }],
    };
    const bad = structuredClone(good);
    bad.orders[1]!["a b"][1] = "z" as "x";
    const sent = thrown(() => encode(codec, bad));
    expect(sent.path).toBe('orders[1]["a b"][1]');
    expect(sent.message).toBe('orders[1]["a b"][1]: must be one of "x", "y"; it is "z"');
    const bytes = encode(codec, good);
    bytes[bytes.length - 1] = 9;
    expect(thrown(() => decode(codec, bytes))).toMatchObject({
      path: 'orders[1]["a b"][1]',
      code: "ERR_RINGBELL_DECODE",
    });
  });

  it("refuses what is no object, and says which field is missing", () => {
    const codec = make({ id: u32, note: optional(text()) });
    for (const value of [null, undefined, 5, "id"]) {
      expect(thrown(() => encode(codec, value as never))).toMatchObject({ name: "EncodeError", path: "" });
    }
    expect(thrown(() => encode(codec, {} as never)).message).toMatch(
      /^id: is missing; it must be an integer/,
    );
  });

  it("ignores keys that are not in the struct, and reads those that come from a prototype", () => {
    class Point {
      extra = 1;
      get x() {
        return 3;
      }
    }
    expect(roundTrip(make({ x: u8 }), new Point())).toEqual({ x: 3 });
  });

  it("refuses a count that the message can't hold before it allocates anything", () => {
    const codec = make({ a: array(u8), b: array(f64) });
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setUint32(0, 0xffff_ffff, true);
    expect(thrown(() => decode(codec, bytes))).toMatchObject({ name: "DecodeError", path: "a" });
    new DataView(bytes.buffer).setUint32(0, 0, true);
    new DataView(bytes.buffer).setUint32(4, 0x2000_0000, true);
    expect(thrown(() => decode(codec, bytes))).toMatchObject({ name: "DecodeError", path: "b" });
  });

  it.each([
    ["text", text()],
    ["bytes", bytes()],
    ["a view", bytes({ copy: false })],
  ])("does not even look where a length that is too long points to: %s", (_name, field) => {
    const codec = make({ field });
    for (const length of [101, 0x8000_0000, 0xffff_ffff]) {
      const scratch = scratchOf();
      scratch.view.setUint32(OFFSET, length, true);
      Object.defineProperty(scratch, "buffer", {
        get() {
          throw new Error("looked");
        },
      });
      const error = thrown(() => codec.decode(scratch, OFFSET, 4 + 100, []));
      expect(error).toMatchObject({ name: "DecodeError", path: "field" });
    }
  });

  it.each([
    ["a bool", bool, [2]],
    ["an enumeration", oneOf("a", "b"), [2]],
    ["the presence of a value", optional(u8), [2, 0]],
    ["a fixed text", text(2), [0xc3, 0x28]],
    ["u53", u53, [0, 0, 0, 0, 0, 0, 0x20, 0]],
    ["i53", i53, [0, 0, 0, 0, 0, 0, 0xe0, 0xff]],
    ["a text", text(), [2, 0, 0, 0, 0xc3, 0x28]],
    ["a long text", text(), [20, 0, 0, 0, 0xff, ...new Array<number>(19).fill(0x61)]],
  ])("refuses bytes that are no value of %s", (_name, field, bytes) => {
    expect(thrown(() => decode(make({ field }), Uint8Array.from(bytes)))).toMatchObject({
      name: "DecodeError",
      path: "field",
    });
  });

  it("carries enumerations of more than 256 values", () => {
    const codec = make({ a: oneOf(...manyValues) });
    expect(codec.size).toBe(2);
    expect(roundTrip(codec, { a: "value 299" })).toEqual({ a: "value 299" });
    expect(() => decode(codec, Uint8Array.of(0x2c, 1))).toThrow(DecodeError);
  });

  it("carries the ends of every range, and -0, NaN and infinities in floats", () => {
    const codec = make({ a: u53, b: i53, c: f64, d: f32, e: f64 });
    for (const m of [
      { a: 0, b: Number.MIN_SAFE_INTEGER, c: -0, d: Number.NaN, e: Number.NEGATIVE_INFINITY },
      { a: Number.MAX_SAFE_INTEGER, b: Number.MAX_SAFE_INTEGER, c: Number.NaN, d: -0, e: 5e-324 },
      { a: 2 ** 32, b: -(2 ** 32), c: 0, d: Number.POSITIVE_INFINITY, e: 0 },
      { a: 1, b: -1, c: 0, d: 1, e: 0 },
    ]) {
      expect(roundTrip(codec, m)).toEqual(m);
    }
  });

  it("returns bytes that live on when the scratch is overwritten, unless a view was asked for", () => {
    const codec = make({ own: bytes(), fixed: bytes(2), view: bytes({ copy: false }) });
    const scratch = scratchOf();
    const data = Uint8Array.of(1, 2);
    const length = codec.encode({ own: data, fixed: data, view: data }, scratch, OFFSET, []);
    const received = codec.decode(scratch, OFFSET, length, []);
    scratch.buffer.fill(9);
    expect(received).toEqual({ own: data, fixed: data, view: Uint8Array.of(9, 9) });
  });

  it("lets a getter encode with the same codec in between", () => {
    const codec = make({ a: array(u8), b: text() });
    const inner = { a: [9, 9, 9], b: "inner" };
    const outer = {
      a: [1],
      get b() {
        encode(codec, inner);
        return "outer";
      },
    };
    expect(roundTrip(codec, outer)).toEqual({ a: [1], b: "outer" });
  });

  it("says some room for a message with a bad value behind a long one, and then refuses it", () => {
    const codec = make({ a: text(), b: array(text()), c: bytes(), d: optional(array(array(u8))) });
    const values: object[] = [{ b: 5 }, { b: [5] }, { c: "no" }, { d: 5 }, { d: [5] }, { b: undefined }];
    for (const bad of values) {
      const m = { a: "x".repeat(100), b: ["a"], c: new Uint8Array(1), ...bad } as never;
      const needed = -codec.encode(m, scratchOf(OFFSET + 50), OFFSET, []);
      expect(needed).toBeGreaterThan(100);
      expect(() => codec.encode(m, scratchOf(OFFSET + needed), OFFSET, [])).toThrow(EncodeError);
    }
  });

  it("does not count the elements of an array that nobody has room for", () => {
    const sparse = new Array<string>(2 ** 32 - 1);
    expect(make({ a: array(text()) }).encode({ a: sparse }, scratchOf(), OFFSET, [])).toBe(
      -(4 + 4 * sparse.length),
    );
  });

  it("knows the size of its fixed part", () => {
    expect(make({ id: u32, price: f64 }).size).toBe(16);
    expect(make({ id: u32, name: text() }).size).toBe(8);
  });

  it("carries an object without fields in no bytes", () => {
    const codec = make({});
    expect([codec.schema, codec.size, encode(codec, { more: 1 }).length]).toEqual(["{}", 0, 0]);
    expect(decode(codec, new Uint8Array(0))).toEqual({});
    expect(() => decode(codec, new Uint8Array(1))).toThrow(DecodeError);
    expect(() => encode(codec, null as never)).toThrow(EncodeError);
    const inside = make({ a: u8, b: struct({}), c: optional(struct({})), d: u16 });
    expect(roundTrip(inside, { a: 1, b: {}, c: {}, d: 2 })).toEqual({ a: 1, b: {}, c: {}, d: 2 });
  });

  it("carries field names that look like code", () => {
    const codec = make({ 'a"]; throw 1; //': u8, "`${1}`\u2028\\": u8, constructor: u8 } as StructFields);
    const m = { 'a"]; throw 1; //': 1, "`${1}`\u2028\\": 2, constructor: 3 };
    expect(roundTrip(codec, m)).toEqual(m);
  });
});

describe("the definition of a struct", () => {
  it("has a canonical text and a fingerprint of it, in which order matters", () => {
    const a = struct({ id: u32, "odd key": array(optional(text(4)), 2), side: oneOf("a", "b") });
    expect(a.schema).toBe('{ id: u32, "odd key": array(optional(text(4)), 2), side: oneOf("a", "b") }');
    expect(struct({ id: u32, price: f64 }).fingerprint).toBe(struct({ id: u32, price: f64 }).fingerprint);
    expect(struct({ id: u32, price: f64 }).fingerprint).not.toBe(struct({ price: f64, id: u32 }).fingerprint);
    // Fixed for good: a new release must still talk to an old one, or change the number in what is hashed.
    expect(struct({ id: u32, price: f64 }).fingerprint).toBe("d1459f11677f8b9d");
  });

  it("is refused where it makes no sense", () => {
    const bad: (() => unknown)[] = [
      // It would take no bytes, so that a message of four could have billions.
      () => array(struct({})),
      () => array(struct({ a: struct({}) }), 2),
      () => struct({ a: 5 as never }),
      () => struct({ a: undefined as never }),
      () => struct(null as never),
      () => struct({ 1: u8 }),
      () => struct({ ["__proto__"]: u8 }),
      () => oneOf(...([] as unknown as [string])),
      () => oneOf("a", "a"),
      () => optional(optional(u8)),
      () => array(u8, 0),
      () => array(u8, 1.5),
      () => array(array(u8, 2 ** 20), 2 ** 20),
      () => text(0),
      () => bytes(-1),
    ];
    for (const act of bad) expect(act, String(act)).toThrow(InvalidArgumentError);
  });

  it("gives the type of the messages", () => {
    const Tick = struct({
      id: u32,
      side: oneOf("buy", "sell"),
      note: optional(text()),
      xs: array(struct({ y: u64 })),
    });
    type Tick = Infer<typeof Tick>;
    expectTypeOf<Tick>().toEqualTypeOf<{
      id: number;
      side: "buy" | "sell";
      note?: string | undefined;
      xs: { y: bigint }[];
    }>();
  });
});

describe.each([
  ["generated code", true],
  ["closures", false],
])("getters of a message, by %s", (_name, code) => {
  const fields = { id: u32, name: text(), data: bytes(), list: array(struct({ at: f64, note: text() })) };
  const codec = makeStruct<StructOf<typeof fields>>(layOut(fields), code);
  const values = {
    id: 7,
    name: "n".repeat(300),
    data: new Uint8Array(200).fill(3),
    list: Array.from({ length: 9 }, (_, at) => ({ at, note: "ä".repeat(at * 5) })),
  };

  /** The same, by getters that count. */
  function counted(): { message: typeof values; reads: string[] } {
    const reads: string[] = [];
    const wrap = (source: object, path: string): object => {
      const made = {};
      for (const [key, value] of Object.entries(source)) {
        const get = () => {
          reads.push(`${path}${key}`);
          return Array.isArray(value) ? value.map((item, i) => wrap(item as object, `${key}[${i}].`)) : value;
        };
        Object.defineProperty(made, key, { get, enumerable: true });
      }
      return made;
    };
    return { message: wrap(values, "") as typeof values, reads };
  }

  it("run once, wherever the room ends", () => {
    const whole = encode(codec, values);
    const gettersOfAll = 4 + 2 * 9;
    for (let room = 0; room <= whole.length; room++) {
      const { message, reads } = counted();
      const blocks: never[] = [];
      const result = codec.encode(message, scratchOf(OFFSET + room), OFFSET, blocks);
      expect(Math.abs(result), `${room}`).toBe(whole.length);
      expect(result < 0, `${room}`).toBe(room < whole.length);
      // With the same list, and more room.
      const scratch = scratchOf(OFFSET + whole.length);
      if (result < 0) expect(codec.encode(message, scratch, OFFSET, blocks)).toBe(whole.length);
      else codec.encode(values, scratch, OFFSET, []);
      expect(Uint8Array.from(scratch.buffer.subarray(OFFSET))).toEqual(whole);
      expect(new Set(reads).size).toBe(reads.length);
      expect(reads.length).toBe(gettersOfAll);
    }
  });

  it("are heard when they throw, as the cause of an EncodeError", () => {
    for (const cause of [
      new TypeError("no such thing"),
      new EncodeError("of another message", "x"),
      "text",
    ]) {
      const message = {
        ...values,
        get name(): string {
          throw cause;
        },
      };
      const error = thrown(() => encode(codec, message));
      expect(error).toMatchObject({ name: "EncodeError", code: "ERR_RINGBELL_ENCODE", cause });
      expect(error).not.toBe(cause);
      expect(error.message).toContain(cause instanceof Error ? cause.message : cause);
    }
    // What the codec itself refuses has no cause.
    const refusal = thrown(() => encode(codec, { ...values, id: -1 }));
    expect(refusal).toMatchObject({ path: "id" });
    expect(refusal).not.toHaveProperty("cause");
  });

  it("are heard when they throw where the message is too long", () => {
    const cause = new Error("no");
    const message = {
      ...values,
      get list(): never {
        throw cause;
      },
    };
    expect(thrown(() => codec.encode(message, scratchOf(OFFSET + 50), OFFSET, []))).toMatchObject({ cause });
  });
});

it.each(["json", "clone", "struct", "union"])(
  "a getter that throws is the cause of an EncodeError by %s",
  (name) => {
    const codecs: Record<string, Codec<unknown>> = {
      json: json(),
      clone: clone(),
      struct: struct({ a: u8 }) as Codec<unknown>,
      union: union("a", { b: struct({}) }) as Codec<unknown>,
    };
    const cause = new RangeError("broken");
    const message = {
      get a() {
        throw cause;
      },
    };
    const error = thrown(() => encode(codecs[name]!, message));
    expect(error).toMatchObject({ name: "EncodeError", cause });
    expect(error.message).toContain("broken");
  },
);

import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { open } from "node:fs/promises";
import { createHistogram } from "node:perf_hooks";
import { rootCertificates } from "node:tls";
import { deserialize, Serializer, serialize } from "node:v8";
import { runInNewContext, Script } from "node:vm";
import fc from "fast-check";
import { expect, it } from "vitest";
import { clone } from "../../lib/codec/index.js";
import { DecodeError, EncodeError } from "../../lib/errors.js";
import { decode, encode, OFFSET, roundTrip, scratchOf, thrown } from "./support.js";

it("brings back what structured clone knows", () => {
  const shared = { x: 1 };
  const message = {
    map: new Map<unknown, unknown>([
      ["a", new Set([1, 2n])],
      [shared, shared],
    ]),
    date: new Date(5),
    regexp: /a+/gi,
    error: new TypeError("bad"),
    big: -(2n ** 100n),
    hole: new Array<number>(3),
    undef: undefined,
    text: "ä€😀\ud800",
    buffer: new ArrayBuffer(5),
  };
  const received = roundTrip(clone<typeof message>(), message);
  expect(received).toEqual(message);
  const [, [key, value]] = [...received.map] as [unknown, [unknown, unknown]];
  expect(key).toBe(value);
});

it("brings back every kind of view, each with memory of its own", () => {
  const memory = Uint8Array.from({ length: 64 }, (_, i) => i).buffer;
  const views = [
    Uint8Array,
    Uint8ClampedArray,
    Int8Array,
    Uint16Array,
    Int16Array,
    Uint32Array,
    Int32Array,
    Float32Array,
    Float64Array,
    BigUint64Array,
    BigInt64Array,
  ].map((View) => new View(memory, 8, 2));
  const message = [Buffer.from("pooled"), new DataView(memory, 3, 5), ...views];
  const received = roundTrip(clone<unknown[]>(), message) as ArrayBufferView[];
  expect(received).toEqual(message);
  expect(received.map((view) => view.constructor)).toEqual(message.map((view) => view.constructor));
});

it("gives each view memory of its own, also a small Buffer", () => {
  // Node has small Buffers in a pool: one that is kept would keep all of it.
  for (const view of [
    Buffer.from("short"),
    Buffer.alloc(0),
    new Uint8Array(3),
    new DataView(new ArrayBuffer(9), 3),
  ]) {
    const received = roundTrip(clone<ArrayBufferView>(), view);
    expect(received).toEqual(view);
    expect(received.byteOffset).toBe(0);
    expect(received.buffer.byteLength).toBe(view.byteLength);
  }
});

it("makes of a message what V8 makes of it", () => {
  const key = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.nat(5).map(String),
    fc.constant("__proto__"),
  );
  const text = fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), fc.string({ maxLength: 200 }));
  const values = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.oneof(text, fc.double(), fc.integer(), fc.bigInt(), fc.boolean(), fc.constantFrom(null, undefined)),
      fc.oneof(
        fc.date({ noInvalidDate: false }),
        fc.uint8Array({ maxLength: 20 }),
        fc.float64Array({ maxLength: 5 }),
      ),
      fc.oneof(fc.integer(), fc.string(), fc.bigInt(), fc.boolean()).map(Object),
      fc.constantFrom(/a+/g, /[/]\n/dimsuy, /(?:)/),
      fc.sparseArray(tie("value"), { maxLength: 40, maxNumElements: 5 }),
      fc.array(tie("value"), { maxLength: 20 }),
      fc.dictionary(key, tie("value"), { maxKeys: 6 }),
      fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 4 }).map((entries) => new Map(entries)),
      fc.array(tie("value"), { maxLength: 4 }).map((items) => new Set(items)),
      // The same object many times, and properties of an array.
      tie("value").map((value) => [value, { value }, value]),
      // Only properties: an array's length takes no other value, and this assignment would set its prototype.
      fc
        .dictionary(
          key.filter((name) => name !== "length" && name !== "__proto__"),
          tie("value"),
          { maxKeys: 3 },
        )
        .map((fields) => Object.assign([1, "x"], fields)),
    ),
  })).value;
  fc.assert(
    fc.property(values, (value) => {
      // As text of V8's own: that has the order of keys, holes, and which objects are the same.
      const seen = (made: unknown) => serialize(made).toString("hex");
      // (Node 26 hands some values through structuredClone() as they are, with another form of the number 0.)
      expect(seen(roundTrip(clone(), value))).toBe(seen(deserialize(serialize(value))));
    }),
    { numRuns: 1000 },
  );
});

it("brings back strings of any kind at any length", () => {
  for (const unit of ["a", "ÿ", "Ā", "😀", "\ud800"]) {
    for (const length of [0, 1, 2, 23, 24, 25, 127, 128, 129, 20_000]) {
      const text = unit.repeat(length);
      const received = roundTrip(clone<unknown[]>(), ["x", text, { [text]: text }]);
      expect(received[1] === text && (received[2] as Record<string, unknown>)[text] === text).toBe(true);
    }
  }
});

it("brings back a huge sparse array as such, and the properties of arrays", () => {
  const sparse: unknown[] = [];
  sparse[4_000_000_000] = "end";
  sparse[7] = { deep: true };
  const bytes = encode(clone(), sparse);
  expect(bytes.length).toBeLessThan(60);
  const received = decode(clone<unknown[]>(), bytes);
  expect(received.length).toBe(4_000_000_001);
  expect(Object.entries(received)).toEqual(Object.entries(sparse));
  const match = /(?<word>b+)/.exec("abbc")!;
  expect(roundTrip(clone<RegExpExecArray>(), match)).toEqual(match);
});

it("takes objects of another realm for what they are", () => {
  const realm = (code: string): unknown => runInNewContext(code);
  const cases: [string, unknown][] = [
    ["({ a: [1] })", { a: [1] }],
    ["new (class A { x = 1 })()", { x: 1 }],
    ["new Float32Array([1, 2])", new Float32Array([1, 2])],
    ["new BigInt64Array(2)", new BigInt64Array(2)],
    ["new DataView(new ArrayBuffer(8))", new DataView(new ArrayBuffer(8))],
    ["new Map([[1, new Uint8Array(2)]])", new Map([[1, new Uint8Array(2)]])],
    ["new Set([new Date(5), /a/g])", new Set<unknown>([new Date(5), /a/g])],
    [
      "[Object(1), Object('s'), Object(true), Object(1n)]",
      [Object(1), Object("s"), Object(true), Object(1n)],
    ],
    ["new ArrayBuffer(3)", new ArrayBuffer(3)],
  ];
  for (const [code, expected] of cases) expect(roundTrip(clone(), realm(code)), code).toStrictEqual(expected);
  const error = roundTrip(clone<unknown>(), realm("new RangeError('m', { cause: new Map() })"));
  expect(error).toBeInstanceOf(RangeError);
  expect(error).toMatchObject({ message: "m", cause: new Map() });
  for (const code of [
    "() => {}",
    "Symbol()",
    "new WeakMap()",
    "Promise.resolve()",
    "new Proxy({}, {})",
    "new WeakRef({})",
  ])
    expect(() => encode(clone(), { a: realm(code) }), code).toThrow(/^a: /);
});

it("keeps the properties of objects that were made from a class of the language or the platform, or only look so", () => {
  function Old(this: object) {
    Object.assign(this, { message: "m", code: 7 });
  }
  Object.setPrototypeOf(Old.prototype, Error.prototype);
  const old = Reflect.construct(Old, []) as object;
  expect(roundTrip(clone(), old)).toStrictEqual({ message: "m", code: 7 });
  class Extended extends Map<number, number> {
    extra = 1;
  }
  expect(roundTrip(clone(), new Extended([[1, 2]]))).toStrictEqual(new Map([[1, 2]]));
  expect(
    roundTrip(
      clone(),
      new (class extends EventTarget {
        x = 1;
      })(),
    ),
  ).toStrictEqual({ x: 1 });
  expect(
    roundTrip(
      clone(),
      new (class Tag {
        x = 1;
        get [Symbol.toStringTag]() {
          return "Map";
        }
      })(),
    ),
  ).toStrictEqual({ x: 1 });
  expect(() =>
    encode(clone(), [
      new (class extends Headers {
        x = 1;
      })(),
    ]),
  ).toThrow("[0]: a Headers can't be cloned");
  expect(() => encode(clone(), [Object.assign(new URL("http://a/"), { x: 1 })])).toThrow(
    "[0]: a URL can't be cloned",
  );
});

it("never makes {} of an object that hides what it has", async () => {
  const file = await open(new URL(import.meta.url));
  const hiding = [
    ...[file, new Script("1"), new X509Certificate(rootCertificates[0]!), createHistogram()],
    ...[
      new AbortController(),
      new TextDecoderStream(),
      new Event("x"),
      performance,
      new Serializer(),
      new TextDecoder(),
    ],
    new (class Tagged {
      #x = 1;
      get [Symbol.toStringTag]() {
        return String(this.#x);
      }
    })(),
  ];
  for (const value of hiding) {
    let made: unknown = "refused";
    try {
      made = roundTrip(clone(), value);
    } catch (error) {
      expect(error).toBeInstanceOf(EncodeError);
    }
    expect(made).not.toStrictEqual({});
  }
  await file.close();
});

it("runs getters once, no function that the format does not need, and names the place where one throws", () => {
  let runs = 0;
  const spy = <T extends object>(value: T, ...names: PropertyKey[]) => {
    for (const name of names)
      Object.defineProperty(value, name, { get: () => expect.unreachable(String(name)) });
    return value;
  };
  const message = {
    get once() {
      return ++runs;
    },
    map: spy(new Map([[1, 2]]), Symbol.iterator, "size", "entries", "forEach", "constructor"),
    set: spy(new Set([1]), Symbol.iterator, "size", "values"),
    date: spy(new Date(5), "getTime", "valueOf", Symbol.toPrimitive, "toJSON"),
    regexp: spy(/a/gi, "source", "flags", "global", Symbol.toStringTag),
    list: spy([1, 2], Symbol.iterator, "map", "constructor"),
    boxed: spy(Object(1n) as object, "valueOf", "toString", Symbol.toPrimitive),
    view: spy(new Uint8Array(2), Symbol.toStringTag, "constructor"),
  };
  const received = roundTrip(clone<Record<string, unknown>>(), message);
  expect(received).toMatchObject({ once: 1, map: new Map([[1, 2]]), list: [1, 2] });
  expect(runs).toBe(1);
  const cause = new Error("no such thing");
  const throwing = Object.defineProperty({}, "x", {
    enumerable: true,
    get: () => {
      throw cause;
    },
  });
  const error = thrown(() => encode(clone(), { m: new Map([["k", [throwing]]]) }));
  expect(error).toMatchObject({ name: "EncodeError", path: 'm.get("k")[0].x', cause });
  expect(error.message).toContain("no such thing");
});

it("lets a getter send other messages meanwhile", () => {
  const inner: unknown[] = [];
  const message = {
    a: { x: 1 },
    get b() {
      inner.push(roundTrip(clone(), { nested: [1, { y: 2 }] }));
      return "b";
    },
    c: { x: 2 },
  };
  expect(roundTrip(clone(), message)).toEqual({ a: { x: 1 }, b: "b", c: { x: 2 } });
  expect(inner).toEqual([{ nested: [1, { y: 2 }] }]);
});

it("keeps nothing of a message that was refused", () => {
  expect(() => encode(clone(), { a: { b: [() => {}] }, c: "c".repeat(1e6) })).toThrow(EncodeError);
  expect(roundTrip(clone(), [{ a: 1 }])).toEqual([{ a: 1 }]);
  expect(thrown(() => encode(clone(), [() => {}]))).toMatchObject({ path: "[0]" });
});

it("does not send the memory around a view", () => {
  expect(encode(clone(), Buffer.from("x")).length).toBeLessThan(20);
});

it("brings back cycles", () => {
  const message: { self?: unknown; list: unknown[] } = { list: [] };
  message.self = message;
  message.list.push(message.list);
  const received = roundTrip(clone<typeof message>(), message);
  expect(received.self).toBe(received);
  expect(received.list[0]).toBe(received.list);
});

it("refuses what can't be cloned, and names its place", () => {
  const cases: [unknown, string][] = [
    [() => {}, ""],
    [{ a: [{ b: () => {} }] }, "a[0].b"],
    [{ m: new Map([["k", Symbol("s")]]) }, 'm.get("k")'],
    [{ p: Promise.resolve() }, "p"],
    [[new WeakMap()], "[0]"],
    [{ s: new SharedArrayBuffer(8) }, "s"],
    [{ p: new Proxy({}, {}) }, "p"],
    [{ list: new Proxy([], {}), odd: 1 }, "list"],
    [{ "odd key": new Set([1, new WeakSet()]) }, '["odd key"].values()'],
    [{ m: new Map([[() => {}, 1]]) }, "m.keys()"],
    [new Error("e", { cause: [() => {}] }), "cause[0]"],
    [{ v: new Uint8Array(new SharedArrayBuffer(8)) }, "v"],
    [Object.assign([1, 2], { named: Symbol() }), "named"],
    [
      {
        get g() {
          throw new Error("no");
        },
      },
      "g",
    ],
  ];
  for (const [message, path] of cases) {
    expect(thrown(() => encode(clone(), message))).toMatchObject({ name: "EncodeError", path });
  }
  expect(() => encode(clone(), new MessageChannel().port1)).toThrow(EncodeError);
});

it("says how much room it needs rather than writing past the end", () => {
  const { length } = encode(clone(), { a: 1 });
  expect(clone().encode({ a: 1 }, scratchOf(OFFSET + length - 1), OFFSET, [])).toBe(-length);
  expect(clone().encode({ a: 1 }, scratchOf(OFFSET + length), OFFSET, [])).toBe(length);
});

it("refuses bytes that follow, are missing, or are none", () => {
  const whole = encode(clone(), { a: [1, "text", new Uint16Array(3)], b: new Map([[1, 2]]) });
  for (let length = 0; length < whole.length; length++) {
    expect(() => decode(clone(), whole.subarray(0, length))).toThrow(DecodeError);
  }
  expect(() => decode(clone(), Uint8Array.of(...whole, 0))).toThrow(DecodeError);
});

it("throws nothing but a DecodeError for random bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, header) => {
      if (header) bytes.set([0xff, 0x0f].slice(0, bytes.length));
      try {
        decode(clone(), bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }),
    { numRuns: 1000 },
  );
});

it("survives thousands of messages with a byte or two changed", () => {
  // In a process of its own: what is feared is a crash.
  const program = `
    import { Scratch, clone } from ${JSON.stringify(new URL("../../dist/codec/index.js", import.meta.url).href)};
    const scratch = new Scratch(new ArrayBuffer(65536));
    const samples = [
      { a: [1, 2.5, "text", "\\u20ac"], b: new Map([[1, { c: 2n ** 70n }]]), d: new Set(["x"]) },
      [new Uint16Array(5), Buffer.from("abc"), new ArrayBuffer(9), new DataView(new ArrayBuffer(3))],
      [new Date(1), /a/g, new RangeError("r"), Object(1), Object("s"), Object(1n), [1, , 3], [1.5, 2.5]],
    ];
    const codec = clone();
    let seed = 12345;
    const random = (below) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 1) % below;
    let refused = 0;
    for (let round = 0; round < 10000; round++) {
      const bytes = codec.encode(samples[round % samples.length], scratch, 8, []);
      for (let i = random(3); i >= 0; i--) scratch.buffer[8 + random(bytes)] = random(256);
      try {
        codec.decode(scratch, 8, bytes, []);
      } catch (error) {
        if (error.code !== "ERR_RINGBELL_DECODE") throw error;
        refused++;
      }
    }
    console.log(refused > 500 ? "survived" : "refused only " + refused);
  `;
  const output = execFileSync(process.execPath, ["--input-type=module", "--eval", program], {
    encoding: "utf8",
  });
  expect(output.trim()).toBe("survived");
});

it("writes an error's stack before its cause: Node 22 and later read no other order", () => {
  const error = new Error("top", { cause: "below" });
  error.stack = "where";
  const text = Buffer.from(encode(clone<Error>(), error, scratchOf(1 << 16))).toString("latin1");
  expect(text.indexOf("where")).toBeGreaterThan(text.indexOf("top"));
  expect(text.indexOf("below")).toBeGreaterThan(text.indexOf("where"));
});

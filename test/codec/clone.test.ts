import { execFileSync } from "node:child_process";
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

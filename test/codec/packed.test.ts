import fc from "fast-check";
import { expect, expectTypeOf, it, vi } from "vitest";
import { z } from "zod";
import { type Codec, json, packed, type Scratch } from "../../lib/codec/index.js";
import { codecToReceive, codecToSend, type Outgoing } from "../../lib/codec/lane-codec.js";
import { DecodeError, EncodeError, InvalidArgumentError, ValidationError } from "../../lib/errors.js";
import {
  blockOf,
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

/** A lane in numbers: what it says of the messages that the codec encodes. */
class FakeLane implements Outgoing {
  gone = 0;
  ready = 0;
  next = true;
  sent = () => this.gone;
  packed = () => this.ready;
  isNext = () => this.next;
}

/** Both ends of a lane. */
function laneOf() {
  const lane = new FakeLane();
  const codec = packed();
  const [sender, receiver] = [codecToSend(codec, lane), codecToReceive(codec)];
  return {
    lane,
    encode: (message: unknown) => encode(sender, message, scratchOf(1 << 17)),
    decode: (bytes: Uint8Array) => decode(receiver, bytes),
    /** Encodes, sends and receives. Returns the bytes that it took. */
    carry(message: unknown): number {
      const bytes = encode(sender, message, scratchOf(1 << 17));
      lane.gone++;
      expect(decode(receiver, bytes)).toEqual(message);
      return bytes.length;
    },
  };
}

const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withUnicodeString: true,
} as never);

it("brings back every JSON value, as json() does", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const arrived = roundTrip(packed(), value);
      expect(arrived).toEqual(value);
      // As text, in which -0 is 0, and the order of keys counts.
      expect(JSON.stringify(arrived)).toBe(JSON.stringify(roundTrip(json(), value)));
    }),
  );
});

it("brings back dates, bigints, Maps, Sets, typed arrays and every number", () => {
  const { carry } = laneOf();
  fc.assert(fc.property(anything, (value) => void carry([value, value])));
});

it("carries strings of all lengths and characters, also lone surrogates", () => {
  const { carry } = laneOf();
  for (const unit of ["a", "é", "ÿ", "€", "\u0100", "\ud800", "\udc00", "😀", "\ufffd", "\0"]) {
    for (const length of [0, 1, 12, 13, 31, 32, 33, 62, 63, 64, 65, 4095, 4096, 5000]) {
      carry([unit.repeat(length), `x${unit.repeat(length)}`, `${"x".repeat(length)}${unit}`]);
    }
  }
});

it("says how much room it needs, runs a getter once, and writes the same when it has the room", () => {
  for (const content of [
    "short",
    "é".repeat(60),
    "long ".repeat(2000),
    [{ a: 1 }, { a: 2 }, { a: 3 }],
    2n ** 80n,
  ]) {
    const { length } = encode(packed(), [content], scratchOf(1 << 16));
    for (const room of [0, 1, 2, 3, length >> 1, length - 1]) {
      let reads = 0;
      const message = Object.defineProperty([content], 0, {
        get() {
          reads++;
          return content;
        },
        enumerable: true,
      });
      const blocks: never[] = [];
      const lacking = packed().encode(message, scratchOf(OFFSET + room), OFFSET, blocks);
      expect(-lacking).toBeGreaterThan(room);
      expect(-lacking).toBeLessThanOrEqual(length);
      const scratch = scratchOf(OFFSET + length);
      const bytes = packed().encode(message, scratch, OFFSET, blocks);
      expect(reads).toBe(1);
      expect(decode(packed(), scratch.buffer.subarray(OFFSET, OFFSET + bytes))).toEqual([content]);
    }
    expect(packed().encode([content], scratchOf(OFFSET + length), OFFSET, [])).toBe(length);
  }
});

it("sends the keys of an object once, when they have come a second time", () => {
  const { carry, decode } = laneOf();
  const message = (n: number) => ({ aLongKey: n, another: { deeper: n } });
  const lengths = [1, 2, 3, 4].map((n) => carry(message(n)));
  expect(lengths.slice(2)).toEqual([7, 7]);
  expect(lengths[0]).toBeGreaterThan(30);
  // One that stands alone has all that it needs.
  expect(decode(encode(packed(), [message(1), message(2)]))).toEqual([message(1), message(2)]);
});

it("keeps the order of keys, and tells objects apart whose keys begin alike", () => {
  const { encode, decode, lane } = laneOf();
  const objects = [
    { a: 1, b: 2 },
    { b: 2, a: 1 },
    { a: 1 },
    {},
    { a: 1, b: 2, c: 3 },
    { 1: 1, a: 2 },
    { "": 0 },
  ];
  for (let round = 0; round < 40; round++) {
    const bytes = encode(objects);
    lane.gone++;
    expect(JSON.stringify(decode(bytes))).toBe(JSON.stringify(objects));
  }
});

it("introduces a shape until a message that does has gone out", () => {
  const { lane, encode, decode } = laneOf();
  const message = { introduced: 1 };
  encode(message);
  const introducing = encode(message).length;
  // It was dropped, however often it is tried.
  expect(encode(message).length).toBe(introducing);
  // It waits behind others, and may be aborted there.
  lane.next = false;
  expect(encode(message).length).toBe(introducing);
  lane.gone++;
  expect(encode(message).length).toBe(introducing);
  lane.next = true;
  // Another message went out in its place.
  encode(message);
  encode(1);
  lane.gone++;
  expect(encode(message).length).toBe(introducing);
  decode(encode(message));
  lane.gone++;
  expect(encode(message).length).toBeLessThan(introducing);
});

it("takes the shapes of a batch for known as far as the batch has gone out", () => {
  const { lane, encode } = laneOf();
  const [a, b] = [{ first: 1 }, { second: 2 }];
  for (const one of [a, b]) encode(one);
  const [longA, longB] = [encode(a).length, encode(b).length];
  lane.ready = 0;
  encode(a);
  lane.ready = 1;
  // What comes behind it in the batch goes out only if the first does.
  expect(encode(a).length).toBeLessThan(longA);
  expect(encode(b).length).toBe(longB);
  lane.ready = 2;
  expect(encode(b).length).toBeLessThan(longB);
  lane.ready = 0;
  // None has gone out.
  expect(encode(a).length).toBe(longA);
  lane.ready = 1;
  encode(b);
  lane.ready = 0;
  // Only the first has gone out.
  lane.gone += 1;
  expect(encode(b).length).toBe(longB);
  expect(encode(a).length).toBeLessThan(longA);
});

it("sends an object with its keys where shapes have run out, and keeps no more than the limit", () => {
  const { carry } = laneOf();
  const shape = (n: number) => ({ [`key${n}`]: n });
  for (let n = 0; n < 1500; n++) {
    carry([shape(n), shape(n)]);
  }
  expect(carry([shape(1), shape(2)])).toBeLessThan(12);
  expect(carry([shape(1400), shape(1401)])).toBeGreaterThan(20);
});

it("takes no place for objects that are used as maps, nor memory for millions of them", () => {
  const { encode: send, carry } = laneOf();
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < 3000; n++) {
    const map: Record<string, number> = {};
    for (let i = 0; i < 20; i++) map[`id-${n}-${i}`] = i;
    send(map);
  }
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
  carry({ shaped: 1 });
  carry({ shaped: 2 });
  expect(carry({ shaped: 3 })).toBe(4);
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, i]));
  expect(carry(many)).toBe(carry(many));
});

it("names the place of what can't be sent", () => {
  const cycle: Record<string, unknown> = { list: [1, { b: 1 }] };
  (cycle.list as unknown[])[1] = { back: cycle };
  const deep: unknown[] = [];
  let inner = deep;
  for (let i = 0; i < 1000; i++) inner = inner[0] = [];
  const fails = {
    get x(): unknown {
      throw new Error("no");
    },
  };
  const shared = new SharedArrayBuffer(1);
  for (let round = 0; round < 40; round++) {
    const places = [
      [cycle, "list[1].back", "a cycle: this is the object at the top again"],
      [{ a: [0, fails] }, "a[1].x", "a value can't be read: no"],
      [new Map([["k", { "odd key": fails }]]), '.get("k")["odd key"].x', "a value can't be read: no"],
      [[new Set([fails])], "[0].values().x", "a value can't be read: no"],
      [{ b: shared }, "b", "an ArrayBuffer that is shared, or was transferred, can't be sent; send a copy"],
    ] as const;
    for (const [message, path, text] of places) {
      const error = thrown(() => encode(packed(), message));
      expect(error).toBeInstanceOf(EncodeError);
      expect(error.path).toBe(path);
      expect(error.message).toBe(`${path}: ${text}`);
    }
  }
  expect(thrown(() => encode(packed(), deep)).message).toContain("nested deeper than 1000 levels");
  for (const nothing of [() => {}, Symbol("s")]) expect(() => encode(packed(), nothing)).toThrow(EncodeError);
});

it("brings 1,000 levels", () => {
  let message: unknown = {};
  for (let i = 1; i < 1000; i++) message = i % 2 === 0 ? { a: message } : [message];
  expect(JSON.stringify(roundTrip(packed(), message))).toBe(JSON.stringify(message));
});

it("sends another message from a getter of this one", () => {
  const { lane, encode, decode } = laneOf();
  const shape = (n: number) => ({ of: { both: n } });
  for (let n = 0; n < 5; n++) {
    let inner: Uint8Array | undefined;
    const outer = encode({
      before: shape(n),
      get now() {
        inner = encode(shape(-n));
        lane.gone++;
        return 1;
      },
      after: shape(n),
    });
    lane.gone++;
    expect(decode(inner!)).toEqual(shape(-n));
    expect(decode(outer)).toEqual({ before: shape(n), now: 1, after: shape(n) });
  }
});

it("carries blocks by json's rules, and releases them where the rest is no message", () => {
  const message = { list: [blockOf("one")], map: new Map([["two", blockOf("two")]]) };
  const parcel = pack(packed(), message);
  const { message: arrived, left } = unpack<never>(packed() as Codec<never>, parcel);
  expect(left).toEqual([]);
  const { list, map } = arrived as unknown as typeof message;
  expect([contentOf(list[0]!), contentOf(map.get("two")!)]).toEqual(["one", "two"]);
  const cut = { ...pack(packed(), [blockOf("x"), "text"]) };
  const bytes = Uint8Array.from(cut.bytes);
  bytes[bytes.length - 2] = 0xff;
  bytes[bytes.length - 6] = 0xff;
  const {
    error,
    left: unclaimed,
    released,
  } = unpack(packed() as Codec<never>, { bytes, blocks: cut.blocks });
  expect(error).toBeInstanceOf(DecodeError);
  expect(unclaimed.length + released[0]!).toBe(1);
});

it("checks what arrives by a schema", () => {
  const codec = packed(z.object({ at: z.date(), n: z.bigint() }));
  expectTypeOf(codec).toEqualTypeOf<Codec<{ at: Date; n: bigint }>>();
  expectTypeOf(packed<{ a: 1 }>()).toEqualTypeOf<Codec<{ a: 1 }>>();
  expect(roundTrip(codec, { at: new Date(1), n: 1n })).toEqual({ at: new Date(1), n: 1n });
  expect(thrown(() => roundTrip(codec, { at: 1, n: 1n } as never))).toBeInstanceOf(ValidationError);
  expect(thrown(() => packed({} as never))).toBeInstanceOf(InvalidArgumentError);
});

it("makes the same bytes of the same message where it stands alone", () => {
  const message = [{ a: 1 }, { a: 2 }, { b: { a: 3 } }];
  const first = encode(packed(), message);
  for (let n = 0; n < 20; n++) expect(encode(packed(), message)).toEqual(first);
});

it("gives a codec that wraps it messages that stand alone", () => {
  const wrapped = { ...packed(), name: "wrapped" };
  const lane = new FakeLane();
  const [sender, receiver] = [codecToSend(wrapped, lane), codecToReceive(wrapped)];
  expect(sender).toBe(wrapped);
  for (let n = 0; n < 5; n++) {
    const bytes = encode(sender, [{ a: n }, { a: n }, { a: n }]);
    lane.gone++;
    if (n > 2) expect(decode(receiver, bytes)).toHaveLength(3);
  }
});

it("finds the keys of an object where Object.prototype has keys of the program's", () => {
  const { carry, encode, decode, lane } = laneOf();
  for (let n = 0; n < 3; n++) carry({ a: 1, polluted: 2 });
  Object.defineProperty(Object.prototype, "polluted", {
    value: 3,
    enumerable: true,
    configurable: true,
    writable: true,
  });
  try {
    const bytes = encode({ a: 1 });
    lane.gone++;
    expect(Object.keys(decode(bytes) as object)).toEqual(["a"]);
    const own = encode({ a: 1, polluted: 4 });
    expect(Object.getOwnPropertyDescriptor(decode(own), "polluted")?.value).toBe(4);
  } finally {
    Reflect.deleteProperty(Object.prototype, "polluted");
  }
});

it("works the same where no code may be generated", async () => {
  vi.stubEnv("RINGBELL_CODEGEN", "0");
  vi.resetModules();
  const other = await import("../../lib/codec/packed.js");
  const message = [{ a: 1, b: "x" }, new Map([[{ c: -0 }, [1n]]])];
  for (let n = 0; n < 20; n++) {
    expect(decode(packed(), encode(other.packed(), message))).toEqual(message);
    expect(decode(other.packed(), encode(packed(), message))).toEqual(message);
  }
  vi.unstubAllEnvs();
});

it("makes a property of its own of the key __proto__, by a loop and by generated code", () => {
  // The functions of a shape are generated at its sixteenth use.
  const message = { a: "x", b: -0, ["__proto__"]: { c: [] } };
  const { carry, decode, encode, lane } = laneOf();
  for (let n = 0; n < 40; n++) {
    carry(message);
    const bytes = encode(message);
    lane.gone++;
    const arrived = decode(bytes) as object;
    expect(Object.keys(arrived)).toEqual(["a", "b", "__proto__"]);
    expect(Object.getPrototypeOf(arrived)).toBe(Object.prototype);
  }
});

const text = (value: string) => [0x80 + value.length, ...Buffer.from(value, "latin1")];
const introduced = (value: number[], table: number[]) => [...value, ...table, table.length, 0, 0, 0, 1];
const varint = (value: number) => {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return [...bytes, rest];
};
const hostile: Record<string, [bytes: number[], why: string | RegExp]> = {
  "no bytes": [[], "two bytes at least"],
  "an unknown shape": [[0xc1, 5, 0], "shape 261 was not introduced"],
  "a shape beyond the limit": [introduced([1], [0, 4, 0]), "must be less than 1024"],
  "a shape of too many keys": [
    introduced([1], [0, 0, 65, ...Array<number[]>(65).fill(text("k")).flat()]),
    "up to 64 keys",
  ],
  "a key that is no string": [introduced([1], [0, 0, 1, 7]), "must be a string"],
  "introductions that are cut off": [
    introduced([1], [0, 0, 2, ...text("a")]),
    /only 0|elements|must be|left/,
  ],
  "introductions longer than the message": [[1, 255, 255, 255, 255, 1], "longer than the message"],
  "other keys for a shape": [introduced([1], [1, 0, 1, ...text("a"), 1, 0, 1, ...text("b")]), "other keys"],
  "a last byte of its own": [[1, 2], "must be 0 or 1"],
  "a value that goes on": [[1, 1, 0], "longer or shorter"],
  "a value that is cut off": [[0xcb, 0, 0, 0], "8 bytes, but only 2"],
  "a string that is cut off": [[0x85, 65, 0], "5 bytes, but only 1"],
  "a long string of 4 GiB": [[0xcc, 255, 255, 255, 255, 0], "only 0 are left"],
  "a wide string of 8 GiB": [[0xcd, 255, 255, 255, 255, 0], "only 0 are left"],
  "an array of 2 ** 32": [[0xc5, ...varint(2 ** 32), 0], "elements or more"],
  "an endless count": [[0xc5, 255, 255, 255, 255, 255, 255, 255, 0], "elements or more"],
  "a Map of more entries than bytes": [[0xd1, 2, 1, 1, 1, 0], "2 elements"],
  "a view of an unknown kind": [[0xd3, 200, 0, 0, 0, 0, 0], "unknown kind"],
  "a view of half an element": [[0xd3, 12, 3, 0, 0, 0, 1, 2, 3, 0], "not a message of packed()"],
  "a block that did not come": [[0xd5, 3, 0], "names block 3"],
  "an unknown tag": [[0xff, 0], "begins with 255"],
  "a bigint without digits": [[0xcf, 0, 0, 0, 0, 0, 0], "malformed bigint"],
};

it.each(Object.entries(hostile))("refuses %s by a DecodeError, and reads on", (_, [bytes, why]) => {
  const { decode, carry } = laneOf();
  const error = thrown(() => decode(Uint8Array.from(bytes)));
  expect(error).toBeInstanceOf(DecodeError);
  expect(error.message).toMatch(why);
  carry([{ a: 1 }, { a: 2 }]);
});

it("refuses nesting without end, and makes no room for what did not come", () => {
  const { decode } = laneOf();
  const deep = Uint8Array.from([...Array<number[]>(2000).fill([0xc5, 1]).flat(), 1, 0]);
  expect(thrown(() => decode(deep)).message).toContain("nested deeper than 1000 levels");
  // Each array says that it has as many elements as there are bytes left.
  const bytes = new Uint8Array(4 << 20);
  for (let at = 0; at < 4 * 990; at += 4) bytes.set([0xc5, 0x80, 0x80, 0x80], at);
  for (let i = 0; i < 990; i++) bytes.set([0xc5, ...varint(1 << 20).slice(0, 3)], i * 4);
  bytes.fill(0xff, 990 * 4);
  const before = process.memoryUsage().heapUsed;
  expect(thrown(() => decode(bytes))).toBeInstanceOf(DecodeError);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 << 20);
});

it("learns no more keys from a peer than the limit, and no prototype", () => {
  const { decode } = laneOf();
  const key = "k".repeat(60);
  const introduce = (id: number) =>
    Uint8Array.from(
      ((table: number[]) => [1, ...table, table.length & 0xff, table.length >> 8, 0, 0, 1])([
        id & 0xff,
        id >> 8,
        60,
        ...Array.from({ length: 60 }, (_, i) => text(`${key.slice(3)}${i}`.slice(-60))).flat(),
      ]),
    );
  let learnt = 0;
  const error = thrown(() => {
    for (; learnt < 1024; learnt++) decode(introduce(learnt));
  });
  expect(error.message).toContain("longer than a lane may have");
  expect(learnt).toBeLessThan(64);
  const polluting = introduced([0xc0, 0, 0xc4, 1, ...text("x"), 1], [0, 0, 1, ...text("__proto__")]);
  for (let n = 0; n < 40; n++) {
    const arrived = laneOf().decode(Uint8Array.from(polluting)) as Record<string, unknown>;
    expect(Object.getPrototypeOf(arrived)).toBe(Object.prototype);
    expect(Object.getOwnPropertyDescriptor(arrived, "__proto__")?.value).toEqual({ x: 1 });
    expect(arrived.x).toBeUndefined();
  }
});

it("throws nothing but a DecodeError for random bytes, and for messages with a byte changed", () => {
  const known = laneOf();
  known.carry([{ a: 1 }, { a: 2 }, { b: [1], c: "x" }, { b: [1], c: "y" }]);
  const attempt = (bytes: Uint8Array) => {
    try {
      known.decode(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(DecodeError);
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), attempt), { numRuns: 2000 });
  fc.assert(
    fc.property(anything, fc.nat(), fc.nat(255), (value, at, byte) => {
      const bytes = encode(packed(), [value, { a: value }, { a: value }], scratchOf(1 << 16));
      bytes[at % bytes.length] = byte;
      attempt(bytes);
    }),
    { numRuns: 1000 },
  );
});

it("does not hold the memory that it wrote to or read from", () => {
  const lane = new FakeLane();
  const [sender, receiver] = [codecToSend(packed(), lane), codecToReceive(packed())];
  const scratch: Scratch = scratchOf(64);
  const bytes = sender.encode({ a: 1 }, scratch, OFFSET, []);
  receiver.decode(scratch, OFFSET, bytes, []);
  expect(bytes).toBe(6);
});

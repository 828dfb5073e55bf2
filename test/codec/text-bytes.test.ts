import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytes, clone, json, struct, text, u8 } from "../../lib/codec/index.js";
import { DecodeError, EncodeError, InvalidArgumentError, UnknownOptionError } from "../../lib/errors.js";
import { decode, encode, OFFSET, roundTrip, scratchOf } from "./support.js";

const strings = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.string({
    unit: fc.constantFrom("a", "\u007f", "\u0080", "ÿ", "Ā", "\ufffd", "😀", "\0"),
    maxLength: 60,
  }),
);

it("brings back every well-formed string, as UTF-8", () => {
  fc.assert(
    fc.property(strings, (value) => {
      expect(roundTrip(text(), value)).toBe(value);
      expect(Buffer.from(encode(text(), value)).equals(Buffer.from(value))).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

it("refuses strings with a lone surrogate, short and long", () => {
  for (const bad of [
    "\ud800",
    "a\udfff",
    `${"x".repeat(100)}\ud83d`,
    "\udc00\ud800",
    `€\ud800${"€".repeat(50)}`,
  ]) {
    expect(() => encode(text(), bad)).toThrow(EncodeError);
  }
});

it("takes exactly the bytes that are valid UTF-8", () => {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const pieces = fc.constantFrom(
    "41",
    "c3a4",
    "e282ac",
    "f09f9880",
    "80",
    "c3",
    "e282",
    "eda080",
    "c080",
    "f8",
    "efbfbd",
    "efbbbf",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 20 }), (parts) => {
      const raw = Buffer.from(parts.join(""), "hex");
      let expected: string | undefined;
      try {
        expected = strict.decode(raw);
      } catch {
        expect(() => decode(text(), raw)).toThrow(DecodeError);
        return;
      }
      expect(decode(text(), raw)).toBe(expected);
    }),
    { numRuns: 2000 },
  );
});

it("says how much room it needs rather than writing past the end", () => {
  for (const value of ["abc", "x".repeat(30), "€".repeat(9), "ä".repeat(30)]) {
    const length = Buffer.byteLength(value);
    expect(text().encode(value, scratchOf(OFFSET + length - 1), OFFSET, [])).toBe(-length);
    expect(text().encode(value, scratchOf(OFFSET + length), OFFSET, [])).toBe(length);
  }
  const data = new Uint8Array(50);
  expect(bytes().encode(data, scratchOf(OFFSET + 49), OFFSET, [])).toBe(-50);
  expect(bytes().encode(data, scratchOf(OFFSET + 50), OFFSET, [])).toBe(50);
});

it("never says by the room it needs that it does not know: who needs one byte gets two", () => {
  expect(text().encode("a", scratchOf(OFFSET), OFFSET, [])).toBe(-2);
  expect(bytes().encode(Uint8Array.of(1), scratchOf(OFFSET), OFFSET, [])).toBe(-2);
  expect(json().encode(1, scratchOf(OFFSET), OFFSET, [])).toBe(-2);
  expect(struct({ a: u8 }).encode({ a: 1 }, scratchOf(OFFSET), OFFSET, [])).toBe(-2);
});

it("refuses a lone surrogate where there is little room, and does not take it for a wish of room", () => {
  for (const bad of ["\ud800", "\ud800".repeat(40)]) {
    const { length } = Buffer.from(bad);
    expect(text().encode(bad, scratchOf(OFFSET), OFFSET, [])).toBe(-length);
    expect(() => text().encode(bad, scratchOf(OFFSET + length), OFFSET, [])).toThrow(EncodeError);
  }
});

it("lets only bytes that are copied once be decoded where the peer can change them", () => {
  expect(bytes().opaque).toBe(true);
  expect(bytes({ copy: false }).opaque).not.toBe(true);
  expect(text().opaque).not.toBe(true);
});

it("refuses what is no string, and what is no Uint8Array", () => {
  for (const value of [1, null, undefined, {}, new String("a")]) {
    expect(() => encode(text(), value as string)).toThrow(EncodeError);
    expect(() => encode(bytes(), value as unknown as Uint8Array)).toThrow(EncodeError);
  }
});

it("brings back bytes as a plain Uint8Array", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700, size: "max" }), (data) => {
      const received = roundTrip(bytes(), Buffer.from(data));
      expect(received.constructor).toBe(Uint8Array);
      expect(received).toEqual(data);
    }),
  );
});

it("sends a Uint8Array of another realm", () => {
  const foreign: Uint8Array = runInNewContext("Uint8Array.of(1, 2)");
  expect([...roundTrip(bytes(), foreign)]).toEqual([1, 2]);
});

it("copies what arrives, unless a view was asked for", () => {
  const scratch = scratchOf();
  bytes().encode(Uint8Array.of(1, 2, 3), scratch, OFFSET, []);
  const copied = bytes().decode(scratch, OFFSET, 3, []);
  const viewed = bytes({ copy: false }).decode(scratch, OFFSET, 3, []);
  scratch.buffer.fill(7);
  expect([...copied, ...viewed]).toEqual([1, 2, 3, 7, 7, 7]);
});

it("copies and views whole messages of every length, also where the scratch has grown", () => {
  const scratch = scratchOf(16);
  scratch.replace(new ArrayBuffer(256));
  for (let length = 0; length <= 130; length++) {
    const data = Uint8Array.from({ length }, (_, i) => length + i);
    bytes().encode(data, scratch, OFFSET, []);
    const copied = bytes().decode(scratch, OFFSET, length, []);
    const viewed = bytes({ copy: false }).decode(scratch, OFFSET, length, []);
    expect(copied).toEqual(data);
    expect(viewed).toEqual(data);
    expect(viewed.buffer).toBe(scratch.view.buffer);
    scratch.buffer.fill(255);
    expect(copied).toEqual(data);
  }
});

it("refuses misspelt options by name", () => {
  expect(() => bytes({ coppy: false } as never)).toThrow(UnknownOptionError);
  expect(() => bytes({ copy: 1 as never })).toThrow(InvalidArgumentError);
  expect(() => bytes(null as never)).toThrow(InvalidArgumentError);
});

it("refuses what only looks like a Uint8Array, and one that has lost its memory", () => {
  const detached = new Uint8Array(4);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const memory = Reflect.construct(ArrayBuffer, [8, { maxByteLength: 16 }]) as ArrayBuffer;
  const outOfBounds = new Uint8Array(memory, 4, 4);
  (memory as unknown as { resize(length: number): void }).resize(2);
  const likes: [string, unknown][] = [
    ["an object", Object.create(Uint8Array.prototype)],
    ["an object", Object.create(Buffer.prototype)],
    ["an object", Object.setPrototypeOf({ length: 4 }, Uint8Array.prototype)],
    ["an object", Object.setPrototypeOf(new Uint16Array(2), Uint8Array.prototype)],
    ["a proxy", new Proxy(new Uint8Array(4), {})],
    ["a view that has lost its memory", detached],
    ["a view that has lost its memory", outOfBounds],
    ["an object", new Uint8ClampedArray(4)],
    ["an array", [1, 2]],
  ];
  const Fixed = struct({ data: bytes(4) });
  const Long = struct({ data: bytes() });
  for (const [what, like] of likes) {
    const data = like as Uint8Array;
    for (const act of [
      () => encode(bytes(), data),
      () => encode(Fixed, { data }),
      () => encode(Long, { data }),
    ]) {
      expect(act).toThrow(EncodeError);
      expect(act).toThrow(`must be a Uint8Array; it is ${what}`);
    }
  }
  // These are.
  const foreign = runInNewContext("new Uint8Array([1, 2])") as Uint8Array;
  const bare = Object.setPrototypeOf(Uint8Array.of(1, 2), null) as Uint8Array;
  for (const good of [foreign, new (class Mine extends Uint8Array {})([1, 2]), Buffer.from([1, 2])])
    expect(roundTrip(bytes(), good)).toEqual(Uint8Array.of(1, 2));
  expect(() => encode(bytes(), bare)).not.toThrow(TypeError);
  expect(roundTrip(bytes(), new Uint8Array(0))).toEqual(new Uint8Array(0));
});

describe("copies of 65 to 512 bytes", () => {
  const lengths = [64, 65, 66, 200, 511, 512, 513, 2048, 5000];
  /** Copies that arrived one after the other, with what was sent. */
  const arrive = (count: number) =>
    Array.from({ length: count }, (_, i) => {
      const sent = new Uint8Array(lengths[i % lengths.length]!).fill(i);
      return { sent, copy: roundTrip(bytes(), sent) };
    });

  it("share memory with others, of which none changes another", () => {
    const copies = arrive(500);
    for (const { copy } of copies.filter((_, i) => i % 2 === 1)) copy.fill(0xee);
    for (const { sent, copy } of copies.filter((_, i) => i % 2 === 0)) {
      expect(Buffer.compare(copy, sent)).toBe(0);
    }
    const ranges = copies.map(
      ({ copy }) => [copy.byteOffset, copy.byteOffset + copy.length, copy.buffer] as const,
    );
    for (const [i, [from, , memory]] of ranges.entries()) {
      const before = ranges.slice(0, i).filter(([, , other]) => other === memory);
      expect(before.every(([, end]) => end <= from)).toBe(true);
    }
  });

  it("keep 4 KiB at most; shorter and longer ones have memory of their own", () => {
    for (const { sent, copy } of arrive(200)) {
      const shared = sent.length > 64 && sent.length <= 512;
      expect(copy.buffer.byteLength).toBe(shared ? 4096 : sent.length);
    }
  });

  it("begin where any typed array may", () => {
    for (const { copy } of arrive(200)) expect(copy.byteOffset % 8).toBe(0);
  });

  it("can't be transferred, which would take others along", () => {
    const copy = roundTrip(bytes(), new Uint8Array(100).fill(1));
    const next = roundTrip(bytes(), new Uint8Array(100).fill(2));
    const { port1, port2 } = new MessageChannel();
    try {
      port1.postMessage(copy, [copy.buffer as ArrayBuffer]);
    } catch (error) {
      expect(error).toMatchObject({ name: "DataCloneError" });
    }
    port1.close();
    port2.close();
    expect(copy[0]).toBe(1);
    expect(next[0]).toBe(2);
    expect(structuredClone(copy)).toEqual(copy);
  });

  it("go on when the program has moved the memory of one elsewhere", () => {
    const { buffer } = roundTrip(bytes(), new Uint8Array(100));
    if (!("transfer" in buffer)) return;
    (buffer as ArrayBuffer & { transfer(): ArrayBuffer }).transfer();
    for (const { sent, copy } of arrive(20)) expect(Buffer.compare(copy, sent)).toBe(0);
  });

  it("share nothing in clone()", () => {
    const sent = { data: new Uint8Array(100).fill(7) };
    const received = roundTrip(clone<typeof sent>(), sent);
    expect(received.data.buffer.byteLength).toBe(100);
  });

  it("are the same as fields of a struct", () => {
    const codec = struct({ data: bytes(), fixed: bytes(80) });
    const sent = { data: new Uint8Array(90).fill(5), fixed: new Uint8Array(80).fill(6) };
    const received = roundTrip(codec, sent);
    expect(received).toEqual(sent);
    expect(received.data.buffer.byteLength).toBe(4096);
  });
});

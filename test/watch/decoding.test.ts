import { describe, expect, it } from "vitest";
import { type Codec, Scratch } from "../../lib/codec/codec.js";
import * as codecs from "../../lib/codec/index.js";
import { Decoding } from "../../lib/watch/index.js";

const { array, bool, bytes, clone, f64, json, oneOf, optional, struct, text, u8, u32, u64, union } = codecs;

function encoded<T>(codec: Codec<T, unknown>, message: T): Buffer {
  const scratch = new Scratch(new ArrayBuffer(4096));
  const length = codec.encode(message, scratch, 0, []);
  return Buffer.from(scratch.buffer.subarray(0, length));
}

const inner = struct({ at: f64, "a key": u8 });
const cases: [string, Codec<never, unknown>, unknown][] = [
  ["json", json(), { a: [1, "two", null] }],
  ["text", text(), "grüße"],
  ["bytes", bytes(), new Uint8Array([1, 2, 3])],
  ["clone", clone(), new Map([[1, new Date(5)]])],
  ["a struct", struct({ id: u32, name: text(), fixed: text(4) }), { id: 7, name: "x", fixed: "ab" }],
  ["an empty struct", struct({}), {}],
  [
    "a deep struct",
    struct({
      list: array(inner),
      three: array(bool, 3),
      side: oneOf("buy", 'se"l,l'),
      maybe: optional(u64),
      raw: bytes(2),
    }),
    {
      list: [{ at: 1.5, "a key": 2 }],
      three: [true, false, true],
      side: 'se"l,l',
      maybe: 5n,
      raw: new Uint8Array([8, 9]),
    },
  ],
  ["a union", union("type", { tick: struct({ id: u32 }), bye: struct({}) }), { type: "tick", id: 3 }],
];

describe("messages of which only the codec's name and schema are known", () => {
  it.each(cases)("are decoded: %s", (_, codec, message) => {
    const { name, fingerprint, schema } = codec;
    const decoding = new Decoding({ name, fingerprint, schema });
    const content = encoded(codec as unknown as Codec<unknown>, message);
    expect(decoding.known).toBe(true);
    expect(decoding.read(0, content)).toEqual({
      payload: content,
      bytes: content.length,
      blocks: 0,
      decoded: { value: message },
    });
  });

  it.each([
    ["the schema was cut short", { name: "struct", fingerprint: "x", schema: "{ id: u32, na…" }],
    ["the fingerprint is another", { name: "struct", fingerprint: "x", schema: "{ id: u32 }" }],
    ["the codec is a program's own", { name: "protobuf", fingerprint: "x", schema: undefined }],
    [
      "the schema is nested without end",
      { name: "struct", fingerprint: "x", schema: "optional(".repeat(5000) },
    ],
    ["the schema has names of Object", { name: "struct", fingerprint: "x", schema: "{ a: constructor }" }],
  ])("stay bytes where %s", (_, identity) => {
    const decoding = new Decoding(identity);
    expect(decoding.known).toBe(false);
    expect(decoding.read(0, Buffer.from("abc"))).toMatchObject({ bytes: 3, decoded: undefined });
  });

  it("stay bytes where they are no messages of the codec, or need their blocks", () => {
    const decoding = new Decoding({ name: "json", fingerprint: "json", schema: undefined });
    expect(decoding.read(0, Buffer.from("{"))).toMatchObject({ bytes: 1, decoded: undefined });
    const table = Buffer.alloc(8 + 24 + 8);
    table.writeBigUInt64LE(1_000_000n, 0);
    table.writeUInt32LE(1, 32);
    table.writeUInt32LE(8, 36);
    expect(decoding.read(3, table)).toEqual({
      payload: undefined,
      bytes: 1_000_000,
      blocks: 1,
      decoded: undefined,
    });
    expect(decoding.read(2, table)).toMatchObject({ bytes: 8, blocks: 1 });
    expect(decoding.read(2, Buffer.alloc(3))).toMatchObject({ bytes: 3, blocks: 0 });
    table.fill(255);
    expect(decoding.read(2, table).payload!.length).toBeLessThanOrEqual(table.length);
  });
});

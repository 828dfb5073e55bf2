import type { StandardSchemaV1 } from "@standard-schema/spec";
import fc from "fast-check";
import { expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { type Codec, json } from "../../lib/codec/index.js";
import {
  AsyncSchemaError,
  DecodeError,
  EncodeError,
  InvalidArgumentError,
  ValidationError,
} from "../../lib/errors.js";
import { decode, encode, OFFSET, roundTrip, scratchOf, thrown } from "./support.js";

it("brings back every JSON value", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(roundTrip(json(), value)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

it("carries lone surrogates as escapes, and U+FFFD as itself", () => {
  const values = ["\ud800", "a\udc00b", "\ufffd", `${"x".repeat(100)}\ufffd\ud83d`, "\ud83d\ude00"];
  expect(roundTrip(json(), values)).toEqual(values);
});

it("throws nothing but a DecodeError for random bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decode(json(), bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }),
    { numRuns: 1000 },
  );
});

it("refuses invalid UTF-8 even inside a string, where JSON would have let it pass", () => {
  for (const padding of [0, 100]) {
    const bytes = Buffer.from(`"${"x".repeat(padding)}?"`);
    bytes[bytes.length - 2] = 0xff;
    expect(thrown(() => decode(json(), bytes)).message).toBe("not valid UTF-8");
  }
});

it("says how much room it needs rather than cutting a message off", () => {
  for (const message of ["short", "long ".repeat(20), "äöü€😀", "€".repeat(40)]) {
    const { length } = encode(json(), message);
    for (let room = 0; room < length; room++) {
      expect(json().encode(message, scratchOf(OFFSET + room), OFFSET, [])).toBe(-length);
    }
    expect(json().encode(message, scratchOf(OFFSET + length), OFFSET, [])).toBe(length);
  }
});

it("names the place of a bigint or a cycle", () => {
  const cycle: Record<string, unknown> = { a: [{ b: 1 }] };
  (cycle.a as unknown[]).push({ back: cycle });
  expect(thrown(() => encode(json(), { a: [0, { "b c": 5n }] }))).toMatchObject({
    name: "EncodeError",
    path: 'a[1]["b c"]',
  });
  expect(thrown(() => encode(json(), cycle))).toMatchObject({ name: "EncodeError", path: "a[1].back" });
  expect(thrown(() => encode(json(), 5n))).toMatchObject({ name: "EncodeError", path: "" });
});

it("refuses messages that have no JSON form, and those that can't be written", () => {
  const throwing = {
    toJSON() {
      throw new Error("no");
    },
  };
  for (const message of [undefined, () => {}, Symbol("s"), { toJSON: () => undefined }, throwing]) {
    expect(() => encode(json(), message)).toThrow(EncodeError);
  }
});

it("refuses a message that is nested deeper than the engine writes; some engines write any depth", () => {
  const deep: unknown[] = [];
  let inner = deep;
  for (let i = 0; i < 100_000; i++) {
    const next: unknown[] = [];
    inner.push(next);
    inner = next;
  }
  const isWritten = (() => {
    try {
      return JSON.stringify(deep) !== undefined;
    } catch {
      return false;
    }
  })();
  // The scratch of this test has no room for as many brackets.
  if (isWritten) expect(() => encode(json(), deep)).toThrow("no room");
  else expect(() => encode(json(), deep)).toThrow(EncodeError);
});

it("gives what the schema makes of a message, and the types that go with it", () => {
  const codec = json(
    z.object({ id: z.coerce.number<string>(), at: z.string().transform((s) => new Date(s)) }),
  );
  expectTypeOf(codec).toEqualTypeOf<Codec<{ id: string; at: string }, { id: number; at: Date }>>();
  const at = "2026-01-02T03:04:05.000Z";
  expect(roundTrip(codec, { id: "5", at })).toEqual({ id: 5, at: new Date(at) });
});

it("refuses what the schema refuses, with its issues", () => {
  const codec = json(z.object({ orders: z.array(z.object({ price: z.number() })) }));
  const error = thrown(() => roundTrip(codec, { orders: [{ price: "1" }] } as never)) as ValidationError;
  expect(error).toBeInstanceOf(ValidationError);
  expect(error.message).toContain("orders.0.price: ");
  expect(error.issues[0]).toMatchObject({ path: ["orders", 0, "price"] });
});

const schemaOf = (validate: StandardSchemaV1.Props["validate"]): StandardSchemaV1 => ({
  "~standard": { version: 1, vendor: "test", validate },
});

it("refuses an asynchronous schema, and leaves no rejection unhandled", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", note);
  try {
    const failing = json(schemaOf(() => Promise.reject(new Error("later"))));
    expect(() => roundTrip(failing, 1)).toThrow(AsyncSchemaError);
    const zod = json(z.string().refine(async () => true));
    expect(() => roundTrip(zod, "a")).toThrow(AsyncSchemaError);
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off("unhandledRejection", note);
  }
});

it("turns an error that the schema throws into a ValidationError with that cause", () => {
  const cause = new Error("bug");
  const codec = json(
    schemaOf(() => {
      throw cause;
    }),
  );
  expect(thrown(() => roundTrip(codec, 1))).toMatchObject({ name: "ValidationError", cause });
});

it("refuses what is no Standard Schema", () => {
  for (const schema of [null, 5, {}, { "~standard": {} }, () => {}]) {
    expect(() => json(schema as never)).toThrow(InvalidArgumentError);
  }
});

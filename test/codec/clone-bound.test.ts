import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { placesOf, SPARE_PLACES } from "../../lib/codec/clone-bound.js";
import { clone } from "../../lib/codec/index.js";
import { DecodeError } from "../../lib/errors.js";
import { decode, encode, roundTrip, scratchOf, thrown } from "./support.js";

const HEADER = [0xff, 15];

/** A number in seven bits a byte. */
function number(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

const sparse = (length: number) => [0x61, ...number(length), 0x40, 0, ...number(length)];

/** The places of all arrays in a message of ours. */
function places(message: unknown): number {
  const bytes = encode(clone(), message, scratchOf(1 << 20));
  return placesOf(Buffer.from(bytes), 0, bytes.length);
}

describe("clone() and a peer that writes the lengths of arrays", () => {
  it("refuses arrays with more places than the message has bytes, before V8 makes room for them", () => {
    const began = performance.now();
    const many = Array.from({ length: 100 }, () => sparse(20_000)).flat();
    const deep = Array.from({ length: 2000 }, (_, at) => [0x41, ...number(16_000 - 6 * at)]).flat();
    for (const message of [
      sparse(2 ** 25),
      sparse(SPARE_PLACES + 100),
      [0x41, 100, ...many, 0x24, 0, 100],
      [...deep, ...new Array(5000).fill(0x30)],
      // A length that goes on for longer than it needs to.
      [0x61, 0x80, 0x80, 0x80, 0x88, 0x80, 0x80, 0x00, 0x40, 0, 0],
      [0x41, 2, 0x61, ...new Array(400).fill(0x80), 0x00, 0x40, 0, 0, ...sparse(2 ** 24), 0x24, 0, 2],
      // Behind what does not count, and in the cause of an error.
      [0x00, 0x3f, 5, ...sparse(2 ** 24)],
      [0x72, 0x52, 0x6d, 0x22, 1, 0x78, 0x63, ...sparse(2 ** 24), 0x2e],
    ]) {
      const error = thrown(() => decode(clone(), Uint8Array.from([...HEADER, ...message])));
      expect(error).toBeInstanceOf(DecodeError);
      expect(error.message).toMatch(/places|ends too early/);
    }
    // V8 takes some seven seconds for the first of them.
    expect(performance.now() - began).toBeLessThan(2000);
  });

  it("brings back sparse arrays below the bound, and those that V8 keeps as tables", () => {
    for (const length of [10, 100_000, SPARE_PLACES, 2 ** 25 + 1, 2 ** 32 - 1]) {
      const array: number[] = [];
      array.length = length;
      array[length - 1] = 5;
      const back = roundTrip(clone<number[]>(), array);
      expect([back.length, back[length - 1], Object.keys(back).length]).toEqual([length, 5, 1]);
    }
  });

  it("brings back long texts and bytes that look like arrays", () => {
    const text = "a\u00ff\u00ff\u00ffA\u00ff\u00ff\u00ff".repeat(2000);
    const bytes = Buffer.from(text, "latin1");
    const message = { text, wide: `${text}\u20ac`, bytes, list: [text, [bytes.buffer.slice(0, 100)]] };
    expect(roundTrip(clone(), message)).toEqual(message);
  });

  it("finds the places of the arrays in whatever clone() writes", () => {
    expect(places([1, [2, 3], { a: [4, 5, 6] }])).toBe(8);
    const error = Object.assign(new RangeError("m", { cause: [new TypeError("n"), [1, 2]] }), { a: 1 });
    expect(places([error, /x/g, new Date(0), -(2n ** 70n), new String("s"), Object(5n), Object(true)])).toBe(
      11,
    );
    expect(
      places([
        new DOMException("m", "AbortError"),
        Buffer.from("x"),
        new Float64Array(3),
        new ArrayBuffer(9),
      ]),
    ).toBe(4);
    expect(places(new Map<unknown, unknown>([[new Set([[1]]), [1, 2]]]))).toBe(3);
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
      withUnicodeString: true,
    } as fc.ObjectConstraints);
    fc.assert(
      fc.property(anything, (message) => {
        const made = encode(clone(), message, scratchOf(1 << 20));
        expect(placesOf(Buffer.from(made), 0, made.length)).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 200 },
    );
  });
});

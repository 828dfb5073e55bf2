import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ALIGNMENT,
  LARGE,
  LONGEST_BLOCK,
  PAGE,
  segmentBytes,
  slotBytesFor,
  slotsOfNext,
} from "../../lib/bulk/size-classes.js";

/** Lengths of all orders of magnitude, and those beside powers of two and eighths of them. */
const lengths = fc.oneof(
  fc.integer({ min: 0, max: 4096 }),
  fc.integer({ min: 0, max: LONGEST_BLOCK }),
  fc
    .tuple(fc.integer({ min: 6, max: 40 }), fc.integer({ min: 8, max: 16 }), fc.integer({ min: -1, max: 1 }))
    .map(([power, eighths, beside]) => 2 ** (power - 3) * eighths + beside),
);

describe("size classes", () => {
  it("have room for the block, at addresses that any typed array takes", () => {
    fc.assert(
      fc.property(lengths, (bytes) => {
        const slot = slotBytesFor(bytes);
        expect(slot).toBeGreaterThanOrEqual(Math.max(1, bytes));
        expect(slot % ALIGNMENT).toBe(0);
      }),
      { numRuns: 2000 },
    );
  });

  it("waste less than an eighth of the slot above 512 bytes, and less than 64 bytes below", () => {
    fc.assert(
      fc.property(lengths, (bytes) => {
        const waste = slotBytesFor(bytes) - bytes;
        if (bytes > 512) expect(waste).toBeLessThan(slotBytesFor(bytes) / 8);
        else expect(waste).toBeLessThanOrEqual(ALIGNMENT);
      }),
      { numRuns: 2000 },
    );
  });

  it("grow with the block, and are few: the slot of a slot is the same slot", () => {
    fc.assert(
      fc.property(lengths, lengths, (one, other) => {
        const [less, more] = one < other ? [one, other] : [other, one];
        expect(slotBytesFor(less)).toBeLessThanOrEqual(slotBytesFor(more));
        expect(slotBytesFor(slotBytesFor(less))).toBe(slotBytesFor(less));
      }),
      { numRuns: 2000 },
    );
    const classes = new Set<number>();
    for (let bytes = 1; bytes <= 2 ** 20; bytes += 61) classes.add(slotBytesFor(bytes));
    // Eight up to 512 bytes, and eight for each doubling.
    expect(classes.size).toBeLessThanOrEqual(8 + 8 * 11 + 1);
  });

  it("are exact at powers of two, and take the next eighth just above them", () => {
    for (let power = 10; power <= 40; power++) {
      expect(slotBytesFor(2 ** power)).toBe(2 ** power);
      expect(slotBytesFor(2 ** power + 1)).toBe(2 ** power + 2 ** power / 8);
    }
  });
});

describe("segments", () => {
  it("have slots of twice as much memory each time, from 64 KiB or one slot up to 4 MiB", () => {
    expect([0, 1, 2, 3].map((before) => slotsOfNext(64, before))).toEqual([1024, 2048, 4096, 8192]);
    expect(slotsOfNext(64, 1000)).toBe((4 * 1024 * 1024) / 64);
    expect([0, 1, 2].map((before) => slotsOfNext(LARGE, before))).toEqual([1, 2, 4]);
    expect(slotsOfNext(LARGE, 9)).toBe(16);
  });

  it("are alone with a large block", () => {
    for (const before of [0, 1, 100]) expect(slotsOfNext(LARGE + ALIGNMENT, before)).toBe(1);
  });

  it("are whole pages, with room for all of their slots, and waste less than a page", () => {
    fc.assert(
      fc.property(lengths, fc.integer({ min: 0, max: 100 }), (bytes, before) => {
        const slot = slotBytesFor(bytes);
        const slots = slotsOfNext(slot, before);
        const size = segmentBytes(slot, slots);
        expect(size % PAGE).toBe(0);
        expect(size - slot * slots).toBeGreaterThanOrEqual(0);
        expect(size - slot * slots).toBeLessThan(PAGE);
      }),
    );
  });
});

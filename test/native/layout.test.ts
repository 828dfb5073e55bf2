import { describe, expect, it } from "vitest";
import { AddonError } from "../../lib/errors.js";
import { assertLayout, type Layout } from "../../lib/native/layout.js";
import { loadBinding } from "../../lib/native/load.js";
import { LARGEST_CAPACITY, MOST_LANES, SMALLEST_CAPACITY } from "../../lib/transport/handshake/geometry.js";

const { layout, abiVersion } = loadBinding();

function messageOf(run: () => void): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(AddonError);
    return (error as AddonError).message;
  }
  return "";
}

/** The paths of all numbers of an object. */
function numbersOf(object: object, path = ""): string[] {
  return Object.entries(object).flatMap(([name, value]: [string, unknown]) =>
    typeof value === "number" ? [`${path}${name}`] : numbersOf(value as object, `${path}${name}.`),
  );
}

/** A copy in which the number at `path` is larger by one. */
function withAnother(path: string): Layout {
  const copy = structuredClone(layout);
  const names = path.split(".");
  const last = names.pop()!;
  let part = copy as unknown as Record<string, unknown>;
  for (const name of names) part = part[name] as Record<string, unknown>;
  part[last] = (part[last] as number) + 1;
  return copy;
}

describe("the addon's layout", () => {
  it("consists of frozen objects and safe integers, all the way down", () => {
    const check = (value: unknown): void => {
      expect(typeof value === "number" ? Number.isSafeInteger(value) : Object.isFrozen(value)).toBe(true);
      if (typeof value !== "number") for (const part of Object.values(value as object)) check(part);
    };
    check(layout);
    expect(numbersOf(layout).length).toBeGreaterThan(50);
  });

  it("names each counter once, and says how many there are", () => {
    for (const order of [layout.laneStats, layout.connectionStats]) {
      const { count, ...indices } = order;
      expect(Object.values(indices)).toEqual(Array.from({ length: count }, (_, index) => index));
    }
  });

  it("has the limits that the handshake keeps: the lane of the blocks comes on top", () => {
    expect(layout.ring.smallestCapacity).toBe(SMALLEST_CAPACITY);
    expect(layout.ring.largestCapacity).toBe(LARGEST_CAPACITY);
    expect(layout.region.mostLanes).toBe(MOST_LANES + 1);
  });

  it("has the version that peers compare", () => {
    expect(layout.region.version).toBe(abiVersion);
  });

  it("agrees with itself, and with any part of it", () => {
    assertLayout(layout, structuredClone(layout));
    assertLayout(layout, {});
    assertLayout(layout, { record: { headerBytes: layout.record.headerBytes }, ring: {} });
  });

  it.each(numbersOf(layout))("names %s where it differs, and nothing else", (path) => {
    const message = messageOf(() => assertLayout(withAnother(path), layout));
    const [, named] = /expects: (.*)\. Build/.exec(message)!;
    expect(named).toMatch(new RegExp(`^${path} is \\d+, not \\d+$`));
  });

  it("names all numbers that differ, and those that it does not have", () => {
    const kinds = { message: 7, inBlock: 9 };
    const message = messageOf(() =>
      assertLayout({ ...layout, parked: undefined as never }, { record: { kinds }, parked: { loop: 1 } }),
    );
    expect(message).toContain("record.kinds.message is 0, not 7; record.kinds.inBlock is 3, not 9");
    expect(message).toContain("parked.loop is undefined, not 1");
    expect(message).toContain("npm run build");
  });
});

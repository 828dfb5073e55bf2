import { afterEach, describe, expect, it } from "vitest";
import { type Announcement, type HeldLease, Holdings } from "../../lib/bulk/holdings.js";
import { type FakeSegment, fakeSegment } from "./fake-memory.js";
import { KIB, MIB } from "./setup.js";

/** What tests took: withdrawn at their end, so that nobody warns of those that are garbage-collected. */
const taken: HeldLease[] = [];

afterEach(() => {
  for (const lease of taken.splice(0)) lease.withdraw();
});

function make({ limit = MIB, checked = false } = {}) {
  const returned: string[] = [];
  const holdings = new Holdings(limit, checked, (id, slot, shared) =>
    returned.push(`${id}/${slot}${shared ? " shared" : ""}`),
  );
  const announce = (more: Partial<Announcement> = {}): FakeSegment => {
    const announcement = announced(more);
    const refused = holdings.refuses(announcement);
    if (refused !== undefined) throw new Error(refused);
    const segment = fakeSegment(holdings.bytesOf(announcement));
    holdings.add(announcement, segment);
    return segment;
  };
  const take = (id: number, slot: number, bytes: number): HeldLease | undefined => {
    const lease = holdings.take(id, slot, bytes);
    if (lease !== undefined) taken.push(lease);
    return lease;
  };
  return { holdings, returned, announce, take };
}

/** An announcement of four slots of 4 KiB, with changes. */
function announced(more: Partial<Announcement> = {}): Announcement {
  return { id: 1, slots: 4, slotBytes: 4096, sealed: false, shared: false, ...more };
}

describe("an announcement", () => {
  it("is taken where it can be true", () => {
    const { holdings } = make();
    for (const more of [
      {},
      { slots: 1, slotBytes: MIB },
      { slots: 16 * KIB, slotBytes: 64 },
      { slots: 1, shared: true },
      { slots: 1, shared: true, sealed: true },
      { slots: 1, sealed: true },
      { id: 2 ** 32 - 1 },
    ]) {
      expect([more, holdings.refuses(announced(more))]).toEqual([more, undefined]);
    }
  });

  it("is refused where it can't", () => {
    const { holdings, announce } = make();
    announce({ id: 7 });
    for (const more of [
      { id: 7 },
      { slots: 0 },
      { slots: 2 ** 20 + 1, slotBytes: 64 },
      { slots: 2 ** 32 - 1, slotBytes: 64 },
      { slots: 2, shared: true },
      { slots: 2, sealed: true },
      { slotBytes: 0 },
      { slotBytes: 63 },
      { slotBytes: 100 },
      { slotBytes: 4096.5 },
      { slotBytes: Number.NaN },
      { slotBytes: 2 ** 53, slots: 1 },
      { slotBytes: 2 ** 63, slots: 1 },
      { slots: 1, slotBytes: MIB + 64 },
      // Each of it may be, all of it not.
      { slots: 1024, slotBytes: 4096 },
      { slots: 2 ** 20, slotBytes: 2 ** 20 },
    ]) {
      expect([more, typeof holdings.refuses(announced(more))]).toEqual([more, "string"]);
    }
  });

  it("counts towards the limit until its segment is retired", () => {
    const { holdings, announce } = make({ limit: 64 * KIB });
    announce({ id: 1 });
    announce({ id: 2, slots: 12 });
    expect(holdings.mappedBytes).toBe(64 * KIB);
    expect(holdings.refuses(announced({ id: 3, slots: 1, slotBytes: 64 }))).toBeDefined();
    expect(holdings.retire(1)).toBe(true);
    expect(holdings.refuses(announced({ id: 3 }))).toBeUndefined();
    // The number may be used again, too.
    expect(holdings.refuses(announced({ id: 1 }))).toBeUndefined();
  });
});

describe("what the peer hands over", () => {
  it("is where it says, as long as it says", () => {
    const { announce, take, holdings } = make();
    announce();
    const lease = take(1, 2, 1000)!;
    expect([lease.bytes.byteOffset, lease.bytes.byteLength, lease.length]).toEqual([8192, 1000, 1000]);
    expect(take(1, 3, 4096)!.bytes.byteLength).toBe(4096);
    expect(take(1, 0, 0)!.bytes.byteLength).toBe(0);
    expect(holdings.held).toBe(3);
  });

  it("is refused outside of what was announced, and where it is held already", () => {
    const { announce, take, holdings } = make();
    announce();
    take(1, 2, 1000);
    for (const [id, slot, bytes] of [
      [2, 0, 10],
      [0, 0, 10],
      [1, 4, 10],
      [1, 2 ** 32 - 1, 10],
      [1, 0, 4097],
      [1, 0, 2 ** 52],
      [1, 2, 1000],
      [1, 2, 10],
    ] as const) {
      expect([id, slot, bytes, take(id, slot, bytes)]).toEqual([id, slot, bytes, undefined]);
    }
    expect(holdings.held).toBe(1);
  });

  it("can be handed over again after it was given back, by the same lease", () => {
    const { announce, take, returned } = make();
    announce();
    const lease = take(1, 2, 1000)!;
    lease.release();
    expect(take(1, 2, 500)).toBe(lease);
    expect(lease.bytes.byteLength).toBe(500);
    lease.release();
    expect(returned).toEqual(["1/2", "1/2"]);
  });

  it("is held as often as it comes where it is shared, and each is given back", () => {
    const { announce, take, holdings, returned } = make();
    announce({ slots: 1, shared: true });
    const leases = [take(1, 0, 100)!, take(1, 0, 100)!, take(1, 0, 100)!];
    expect(new Set(leases).size).toBe(3);
    expect(holdings.held).toBe(3);
    expect(holdings.retire(1)).toBe(false);
    for (const lease of leases) lease.release();
    expect(returned).toEqual(["1/0 shared", "1/0 shared", "1/0 shared"]);
    expect(holdings.retire(1)).toBe(true);
  });

  it("says what it is, and can't be shared or sealed here", () => {
    const { announce, take } = make();
    announce({ slots: 1, shared: true, sealed: true });
    const lease = take(1, 0, 100)!;
    expect([lease.sealed, lease.shared]).toEqual([true, true]);
    const refused = expect.objectContaining({ code: "ERR_RINGBELL_BLOCK" });
    expect(() => lease.share()).toThrow(refused);
    expect(() => lease.seal()).toThrow(refused);
  });

  it("goes home without being given back", () => {
    const { announce, take, holdings, returned } = make();
    announce();
    const lease = take(1, 2, 1000)!;
    holdings.sentHome(lease);
    expect([holdings.held, returned]).toEqual([0, []]);
    expect(take(1, 2, 1000)).toBe(lease);
  });

  it("of sealed memory shows nothing of what this side had written there", () => {
    const { announce, take } = make();
    const segment = announce({ slots: 1, shared: true, sealed: true });
    const [one, two] = [take(1, 0, 100)!, take(1, 0, 100)!];
    one.release();
    expect(segment.discards).toBe(0);
    two.release();
    expect(segment.discards).toBe(1);
  });
});

describe("a segment", () => {
  it("is unmapped when the peer retires it, and its views have the length 0", () => {
    const { announce, take, holdings } = make();
    const segment = announce();
    const lease = take(1, 2, 1000)!;
    const view = lease.bytes;
    expect(holdings.retire(1)).toBe(false);
    expect([segment.closed, view.byteLength]).toEqual([false, 1000]);
    lease.release();
    expect(holdings.retire(1)).toBe(true);
    expect([segment.closed, view.byteLength, holdings.mappedBytes]).toEqual([true, 0, 0]);
    expect(holdings.retire(1)).toBe(false);
    expect(take(1, 2, 1000)).toBeUndefined();
  });

  it("stays after the end for as long as something of it is held, and nothing is given back", () => {
    const { announce, take, holdings, returned } = make();
    const [idle, used] = [announce({ id: 1 }), announce({ id: 2 })];
    const [one, two] = [take(2, 0, 1000)!, take(2, 1, 1000)!];
    const views = [one.bytes, two.bytes];
    holdings.end();
    expect([idle.closed, used.closed]).toEqual([true, false]);
    one.release();
    expect(views.map(({ byteLength }) => byteLength)).toEqual([1000, 1000]);
    expect(used.closed).toBe(false);
    two.release();
    expect(views.map(({ byteLength }) => byteLength)).toEqual([0, 0]);
    expect([used.closed, holdings.held, holdings.mappedBytes, returned]).toEqual([true, 0, 0, []]);
  });

  it("checked, takes each view away with its block, and not the others", () => {
    const { announce, take } = make({ checked: true });
    announce();
    const [one, two] = [take(1, 0, 1000)!, take(1, 1, 1000)!];
    const views = [one.bytes, two.bytes];
    expect(views[0]!.buffer).not.toBe(views[1]!.buffer);
    one.release();
    expect(views.map(({ byteLength }) => byteLength)).toEqual([0, 1000]);
    expect(take(1, 0, 1000)!.bytes.byteLength).toBe(1000);
  });
});

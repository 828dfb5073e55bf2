import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Lease } from "../../lib/bulk/lease.js";
import { Pool } from "../../lib/bulk/pool.js";
import { MOST_SEGMENTS } from "../../lib/bulk/size-classes.js";
import type { SlotLease } from "../../lib/bulk/slot-lease.js";
import { FakeMemory, fakeSegment, systemError } from "./fake-memory.js";
import { KIB, MIB } from "./setup.js";

interface Options {
  readonly limit?: number;
  readonly checked?: boolean;
  readonly named?: boolean;
}

/** What tests took: withdrawn at their end, so that nobody warns of those that are garbage-collected. */
const taken: SlotLease[] = [];

afterEach(() => {
  for (const lease of taken.splice(0)) lease.withdraw();
});

function make({ limit = 64 * MIB, checked = false, named = false }: Options = {}) {
  const memory = new FakeMemory();
  const retired: number[] = [];
  const told = { free: 0 };
  let names = 0;
  const pool = new Pool(memory, named ? () => `/name-${names++}` : undefined, limit, checked, {
    onFree: () => told.free++,
    onRetire: (segment) => retired.push(segment.id),
  });
  /** As ShmBulk.allocate does. */
  const allocate = (bytes: number): SlotLease | undefined => {
    const lease = pool.take(bytes) ?? (pool.grow(bytes) ? pool.take(bytes) : undefined);
    if (lease !== undefined) taken.push(lease);
    return lease;
  };
  const must = (bytes: number): SlotLease => {
    const lease = allocate(bytes);
    if (lease === undefined) throw new Error(`no room for ${bytes} bytes`);
    return lease;
  };
  const lend = (bytes: number): SlotLease => {
    const lease = must(bytes);
    lease.segment.announced = true;
    pool.sent(lease);
    return lease;
  };
  return { memory, pool, retired, told, allocate, must, lend };
}

const buffers = new Map<ArrayBufferLike, number>();

/** Where the memory of a lease is, in words. */
function where({ bytes }: Lease): string {
  if (!buffers.has(bytes.buffer)) buffers.set(bytes.buffer, buffers.size);
  return `buffer ${buffers.get(bytes.buffer)} at ${bytes.byteOffset}`;
}

describe("the pool", () => {
  it("gives blocks exactly as long as asked for, aligned, each with memory of its own", () => {
    const { pool, must } = make();
    const leases = [0, 1, 63, 64, 65, 1000, 4096, 100_000, 256 * KIB, 300_000, 5 * MIB].map(must);
    for (const lease of leases) expect(lease.bytes.byteOffset % 64).toBe(0);
    expect(leases.map(({ bytes }) => bytes.byteLength)).toEqual(leases.map(({ length }) => length));
    for (const [i, lease] of leases.entries()) lease.bytes.fill(i + 1);
    for (const [i, lease] of leases.entries()) {
      expect(lease.bytes.every((byte) => byte === i + 1)).toBe(true);
    }
    expect(pool.own).toBe(leases.length);
  });

  it("uses released memory again, the most recently used first, without asking the system", () => {
    const { memory, pool, must } = make();
    const first = must(1000);
    const second = must(1000);
    const places = [where(second), where(first)];
    first.release();
    second.release();
    const made = memory.segments.length;
    expect([must(1000), must(990)].map(where)).toEqual(places);
    for (let i = 0; i < 1000; i++) must(1000).release();
    expect(memory.segments.length).toBe(made);
    expect(pool.own).toBe(2);
  });

  it("makes few segments for many small blocks, and one for each large one", () => {
    const { memory, must } = make();
    for (let i = 0; i < 50_000; i++) must(200);
    // 50 000 slots of 256 bytes are 12.2 MiB: segments of 64, 128, … KiB up to 4 MiB.
    expect(memory.segments.length).toBeLessThan(12);
    const before = memory.segments.length;
    for (let i = 0; i < 5; i++) must(MIB);
    expect(memory.segments.length).toBe(before + 5);
  });

  it("takes no more memory than the blocks, an eighth, and the segment that is being filled", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 513, max: 200_000 }), { minLength: 1, maxLength: 200 }),
        (sizes) => {
          const { memory, must } = make({ limit: 1024 * MIB });
          const slots = new Map<number, number>();
          for (const size of sizes) {
            const { segment } = must(size);
            slots.set(segment.slotBytes, (slots.get(segment.slotBytes) ?? 0) + segment.slotBytes);
            expect(segment.slotBytes - size).toBeLessThan(segment.slotBytes / 8);
          }
          // Each class has at most as much again, for the next segment is as large as all before it; and eight slots at least.
          let bound = 0;
          for (const [slotBytes, used] of slots)
            bound += 2 * used + 8 * slotBytes + 64 * KIB + 16 * KIB * sizes.length;
          expect(memory.openBytes).toBeLessThanOrEqual(bound);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("never hands out a slot twice, whatever is taken, lent, returned and released", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ what: fc.integer({ min: 0, max: 5 }), size: fc.nat(3000), which: fc.nat() }), {
          maxLength: 300,
        }),
        (steps) => {
          const { memory, pool, allocate } = make({ limit: 512 * KIB });
          const own: SlotLease[] = [];
          const lent: SlotLease[] = [];
          const pick = (from: SlotLease[], which: number) =>
            from.length === 0 ? undefined : from.splice(which % from.length, 1)[0];
          for (const { what, size, which } of steps) {
            if (what <= 1) {
              const lease = allocate(size);
              if (lease !== undefined) own.push(lease);
            } else if (what === 2) {
              pick(own, which)?.release();
            } else if (what === 3) {
              const lease = pick(own, which);
              if (lease === undefined) continue;
              lease.segment.announced = true;
              pool.sent(lease);
              lent.push(lease);
            } else if (what === 4) {
              const lease = pick(lent, which);
              if (lease !== undefined) expect(pool.returned(lease.segment.id, lease.slot)).toBe(true);
            } else {
              const lease = pick(lent, which);
              if (lease === undefined) continue;
              own.push(pool.cameHome(lease.segment.id, lease.slot, lease.length)!);
            }
            const places = [...own, ...lent].map(({ segment, slot }) => `${segment.id}/${slot}`);
            expect(new Set(places).size).toBe(places.length);
            expect([pool.own, pool.lent]).toEqual([own.length, lent.length]);
            expect(pool.allocatedBytes).toBe(memory.openBytes);
            expect(pool.allocatedBytes).toBeLessThanOrEqual(pool.limit);
          }
          pool.end();
          for (const lease of own) lease.release();
          expect([pool.own, pool.lent, pool.allocatedBytes, memory.open.length]).toEqual([0, 0, 0, 0]);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("the limit", () => {
  it("holds for all segments together; a block too many is refused, and had once something was released", () => {
    const { pool, allocate, must, told } = make({ limit: 4 * MIB });
    const leases = [must(MIB), must(MIB), must(MIB), must(MIB)];
    expect(pool.allocatedBytes).toBe(4 * MIB);
    expect(allocate(MIB)).toBeUndefined();
    const before = told.free;
    leases[2]!.release();
    expect(told.free).toBeGreaterThan(before);
    expect(where(must(MIB))).toEqual(where(leases[2]!));
  });

  it("is reached by one block exactly, also where its size class is longer", () => {
    for (const limit of [64, 1000, 16 * KIB, 100_000, MIB, MIB + 1, 3 * MIB - 5]) {
      const { pool, must } = make({ limit });
      expect(must(limit).bytes.byteLength).toBe(limit);
      expect(pool.allocatedBytes).toBeLessThanOrEqual(pool.limit);
    }
  });

  it("refuses a block that could never be had by a typed error", () => {
    const { pool } = make({ limit: MIB });
    expect(() => pool.grow(MIB + 16 * KIB)).toThrow(
      expect.objectContaining({ code: "ERR_RINGBELL_BLOCK_TOO_LARGE", limit: MIB, bytes: MIB + 16 * KIB }),
    );
  });

  it("makes free segments of other sizes give way, those that were free longest first", () => {
    vi.useFakeTimers();
    try {
      const { memory, must, allocate } = make({ limit: 4 * MIB });
      const older = must(MIB);
      const newer = must(MIB + 1);
      const used = must(300 * KIB);
      older.release();
      vi.advanceTimersByTime(2600);
      newer.release();
      expect(allocate(2 * MIB)).toBeDefined();
      expect(older.segment.mapping.segment).toMatchObject({ closed: true });
      expect(newer.segment.mapping.segment).toMatchObject({ closed: false });
      expect(used.bytes.byteLength).toBe(300 * KIB);
      expect(allocate(MIB)).toBeDefined();
      expect(newer.segment.mapping.segment).toMatchObject({ closed: true });
      expect(allocate(MIB)).toBeUndefined();
      expect(memory.openBytes).toBeLessThanOrEqual(4 * MIB);
    } finally {
      vi.useRealTimers();
    }
  });

  it("of segments holds, too: each is a mapping, of which a process has only so many", () => {
    const { memory, pool, allocate } = make({ limit: 2 ** 40 });
    // Not 300 KiB of memory each.
    const buffer = new ArrayBuffer(300 * KIB);
    memory.segmentCreate = (bytes) => {
      const view = () => (bytes < MIB ? buffer : new ArrayBuffer(bytes));
      const segment = Object.assign(fakeSegment(0), { bytes, view });
      memory.segments.push(segment);
      return segment;
    };
    for (let i = 0; i < MOST_SEGMENTS; i++) allocate(300 * KIB);
    expect(memory.open.length).toBe(MOST_SEGMENTS);
    expect(allocate(300 * KIB)).toBeUndefined();
    expect(allocate(MIB)).toBeUndefined();
    expect(pool.own).toBe(MOST_SEGMENTS);
    taken.pop()!.release();
    expect(allocate(MIB)).toBeDefined();
    expect(memory.open.length).toBe(MOST_SEGMENTS);
  });

  it("makes the last segment of a class as small as the room that is left", () => {
    const { pool, must, allocate } = make({ limit: 256 * KIB });
    must(100 * KIB);
    const small = [];
    for (let lease = allocate(1000); lease !== undefined; lease = allocate(1000)) small.push(lease);
    expect(pool.allocatedBytes).toBe(256 * KIB);
    // 1024 bytes each, in what is left beside 104 KiB.
    expect(small.length).toBeGreaterThan(100);
  });
});

describe("memory that the system does not have", () => {
  it("is a typed error, and can be tried again", () => {
    for (const code of ["ENOSPC", "ENOMEM", "EFBIG", "EDQUOT"]) {
      const { memory, pool, allocate } = make();
      memory.failures.push(code);
      expect(() => allocate(MIB)).toThrow(
        expect.objectContaining({ code: "ERR_RINGBELL_NO_SPACE", bytes: MIB }),
      );
      expect(pool.allocatedBytes).toBe(0);
      expect(allocate(MIB)).toBeDefined();
    }
  });

  it("is taken from the pool's own free segments first", () => {
    const { memory, must, pool } = make();
    must(MIB).release();
    memory.failures.push("ENOSPC");
    expect(must(2 * MIB).bytes.byteLength).toBe(2 * MIB);
    expect(pool.allocatedBytes).toBe(2 * MIB);
    expect(memory.openBytes).toBe(2 * MIB);
  });

  it("is told apart from other failures, which keep their code", () => {
    const { memory, allocate, pool } = make();
    memory.failures.push("EMFILE");
    expect(() => allocate(MIB)).toThrow(
      expect.objectContaining({
        code: "ERR_RINGBELL_SYSTEM",
        systemCode: "EMFILE",
        syscall: "posix_fallocate",
        cause: expect.objectContaining({ code: "EMFILE" }),
      }),
    );
    expect(pool.allocatedBytes).toBe(0);
  });

  it("does not stay charged when another thread could not get it", async () => {
    const { memory, pool } = make();
    memory.failures.push("ENOSPC", "EMFILE");
    await expect(pool.growSoon(16 * MIB)).rejects.toMatchObject({ code: "ERR_RINGBELL_NO_SPACE" });
    await expect(pool.growSoon(16 * MIB)).rejects.toMatchObject({ code: "ERR_RINGBELL_SYSTEM" });
    expect(pool.allocatedBytes).toBe(0);
    expect(await pool.growSoon(16 * MIB)).toBe(true);
  });

  it("is charged while another thread gets it, so that the limit holds", async () => {
    const { memory, pool, allocate } = make({ limit: 32 * MIB });
    memory.slow = true;
    const growing = pool.growSoon(20 * MIB);
    await Promise.resolve();
    expect(pool.allocatedBytes).toBe(20 * MIB);
    expect(allocate(20 * MIB)).toBeUndefined();
    expect(await pool.growSoon(20 * MIB)).toBe(false);
    expect(allocate(10 * MIB)).toBeDefined();
    for (const go of memory.waiting) go();
    expect(await growing).toBe(true);
    expect(allocate(20 * MIB)).toBeDefined();
  });

  it("is closed where the connection ended while another thread got it", async () => {
    const { memory, pool } = make();
    memory.slow = true;
    const growing = pool.growSoon(20 * MIB);
    await Promise.resolve();
    pool.end();
    for (const go of memory.waiting) go();
    expect(await growing).toBe(false);
    expect([pool.allocatedBytes, memory.open.length]).toEqual([0, 0]);
  });
});

describe("the ledger", () => {
  it("takes back only what was lent, once", () => {
    const { pool, lend, must } = make();
    const lease = lend(100);
    const { id } = lease.segment;
    const own = must(100);
    expect(pool.returned(id, own.slot)).toBe(false);
    expect(pool.returned(id, lease.slot + 500)).toBe(false);
    expect(pool.returned(id, 2 ** 32 - 1)).toBe(false);
    expect(pool.returned(id + 1, lease.slot)).toBe(false);
    expect(pool.returned(id, lease.slot)).toBe(true);
    expect(pool.returned(id, lease.slot)).toBe(false);
    expect([pool.own, pool.lent]).toEqual([1, 0]);
  });

  it("lets a block come home only as it was lent", () => {
    const { pool, lend } = make();
    const lease = lend(100);
    const { id } = lease.segment;
    expect(pool.cameHome(id, lease.slot, 99)).toBeUndefined();
    expect(pool.cameHome(id, lease.slot, 128)).toBeUndefined();
    expect(pool.cameHome(id, lease.slot + 1, 100)).toBeUndefined();
    expect(pool.cameHome(id, lease.slot, 100)).toBe(lease);
    expect(pool.cameHome(id, lease.slot, 100)).toBeUndefined();
    expect(pool.returned(id, lease.slot)).toBe(false);
    expect([pool.own, pool.lent]).toEqual([1, 0]);
  });

  it("gets everything back at the end: what the peer had at once, what this side has as it lets go", () => {
    const { memory, pool, lend, must } = make();
    for (let i = 0; i < 1000; i++) lend(100);
    for (let i = 0; i < 5; i++) lend(MIB);
    const own = must(100);
    const large = must(MIB);
    pool.end();
    expect([pool.own, pool.lent]).toEqual([2, 0]);
    expect(own.bytes.byteLength).toBe(100);
    own.release();
    large.release();
    expect([pool.own, pool.allocatedBytes, memory.open.length]).toEqual([0, 0, 0]);
  });

  it("tells the peer of a segment that goes only if it was announced, and not at the end", () => {
    const { pool, lend, must, retired } = make();
    must(MIB).release();
    const announced = lend(2 * MIB);
    pool.returned(announced.segment.id, 0);
    const atTheEnd = lend(3 * MIB);
    expect(pool.reclaim(Number.POSITIVE_INFINITY)).toBe(3 * MIB);
    expect(retired).toEqual([announced.segment.id]);
    pool.end();
    expect(retired).not.toContain(atTheEnd.segment.id);
  });
});

describe("idle memory", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("is given back to the system between 2.5 and 5 s after its last use, and not before", () => {
    const { memory, pool, must } = make();
    const leases = [must(100), must(MIB)];
    vi.advanceTimersByTime(60_000);
    expect(pool.allocatedBytes).toBeGreaterThan(MIB);
    for (const lease of leases) lease.release();
    vi.advanceTimersByTime(2499);
    expect(pool.allocatedBytes).toBeGreaterThan(MIB);
    vi.advanceTimersByTime(2501);
    expect([pool.allocatedBytes, memory.open.length]).toEqual([0, 0]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("stays as long as it is used now and then", () => {
    const { memory, must } = make();
    for (let i = 0; i < 50; i++) {
      must(MIB).release();
      vi.advanceTimersByTime(2400);
    }
    expect(memory.segments.length).toBe(1);
  });

  it("goes segment by segment: what is in use or lent stays", () => {
    const { pool, must, lend } = make();
    const kept = must(MIB);
    const lent = lend(2 * MIB);
    must(3 * MIB).release();
    vi.advanceTimersByTime(10_000);
    expect(pool.allocatedBytes).toBe(3 * MIB);
    pool.returned(lent.segment.id, 0);
    vi.advanceTimersByTime(10_000);
    expect(pool.allocatedBytes).toBe(MIB);
    expect(kept.bytes.byteLength).toBe(MIB);
  });

  it("makes no timer once the connection has ended", () => {
    const { pool, must } = make();
    const lease = must(100);
    must(200).release();
    pool.end();
    lease.release();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("shared and sealed memory", () => {
  it("is the block's own where it has a segment that the peer does not know; nothing is copied", () => {
    const { memory, pool, must } = make();
    const lease = must(MIB);
    const place = where(lease);
    const [one, two] = lease.share(2);
    expect(where(one!)).toEqual(place);
    expect([pool.own, memory.segments.length]).toEqual([0, 1]);
    one!.release();
    expect(memory.open.length).toBe(1);
    two!.release();
    expect([memory.open.length, pool.allocatedBytes]).toEqual([0, 0]);
  });

  it("is a copy where the block is small, or its segment was announced", () => {
    for (const announced of [false, true]) {
      const { memory, pool, must } = make();
      const lease = must(announced ? MIB : 1000);
      lease.bytes.fill(7);
      lease.segment.announced = announced;
      const [shared] = lease.share(1);
      expect(shared!.bytes.every((byte) => byte === 7)).toBe(true);
      expect(shared!.bytes.byteLength).toBe(lease.length);
      expect([pool.own, memory.open.length]).toEqual([0, 2]);
      // The slot is free again.
      expect(pool.take(lease.length)).toBe(lease);
      shared!.release();
      expect(memory.open.length).toBe(1);
    }
  });

  it("is charged to the limit for as long as there is a holder", () => {
    const { pool, must, allocate } = make({ limit: 2 * MIB });
    const [one, two] = must(MIB).share(2);
    const [three] = two!.share(1);
    must(MIB);
    expect(allocate(100)).toBeUndefined();
    one!.release();
    expect(allocate(100)).toBeUndefined();
    expect(pool.allocatedBytes).toBe(2 * MIB);
    three!.release();
    expect(allocate(100)).toBeDefined();
  });

  it("asks for room for a copy; without, the block stays as it was", () => {
    const { pool, must, memory } = make({ limit: 16 * KIB });
    const lease = must(1000);
    lease.bytes.fill(9);
    expect(() => lease.share(2)).toThrow(expect.objectContaining({ code: "ERR_RINGBELL_NO_SPACE" }));
    expect(() => lease.seal()).toThrow(expect.objectContaining({ code: "ERR_RINGBELL_NO_SPACE" }));
    expect(lease.bytes.every((byte) => byte === 9)).toBe(true);
    const other = make();
    const its = other.must(1000);
    other.memory.failures.push("ENOSPC");
    expect(() => its.share(2)).toThrow(expect.objectContaining({ code: "ERR_RINGBELL_NO_SPACE" }));
    expect([pool.own, memory.open.length, other.pool.own]).toEqual([1, 1, 1]);
  });

  it("is sealed by the system; named memory, which can't be, is copied into some that can", () => {
    const sealed = make();
    sealed.must(MIB).seal().release();
    expect(sealed.memory.segments.map(({ immutable }) => immutable)).toEqual([true]);
    const named = make({ named: true });
    named.must(MIB).seal().release();
    expect(named.memory.segments.map(({ immutable, name }) => [immutable, name])).toEqual([
      [false, "/name-0"],
      [true, ""],
    ]);
    const [lease] = named.must(MIB + 1).share(1);
    expect(lease!.sealed).toBe(false);
    expect(named.memory.segments.at(-1)).toMatchObject({ name: "/name-1", immutable: false });
    lease!.release();
  });

  it("that can't be sealed now stays a block that can be used, and the error is typed", () => {
    const { memory, must, pool } = make();
    const lease = must(MIB);
    memory.segments[0]!.makeImmutable = () => {
      throw systemError("EBUSY");
    };
    expect(() => lease.seal()).toThrow(
      expect.objectContaining({ code: "ERR_RINGBELL_SYSTEM", systemCode: "EBUSY" }),
    );
    expect(lease.bytes.byteLength).toBe(MIB);
    lease.release();
    expect(pool.own).toBe(0);
    expect(pool.take(MIB)).toBe(lease);
  });

  it("leaves nothing behind where the copy could not be sealed", () => {
    const { memory, must, pool } = make();
    const lease = must(1000);
    const create = memory.segmentCreate.bind(memory);
    memory.segmentCreate = (bytes, name) =>
      Object.assign(create(bytes, name), {
        makeImmutable: () => {
          throw systemError("ENOSYS");
        },
      });
    expect(() => lease.seal()).toThrow(expect.objectContaining({ code: "ERR_RINGBELL_BLOCK" }));
    expect(memory.open.length).toBe(1);
    expect(pool.allocatedBytes).toBe(memory.openBytes);
  });
});

describe("views", () => {
  it("unchecked, look at one buffer a segment, and have the length 0 once it is unmapped", () => {
    const { pool, must } = make();
    const [one, two] = [must(100), must(100)];
    expect(one.bytes.buffer).toBe(two.bytes.buffer);
    const views = [one.bytes, two.bytes];
    one.release();
    expect(views[0]!.byteLength).toBe(100);
    two.release();
    pool.end();
    expect(views.map(({ byteLength }) => byteLength)).toEqual([0, 0]);
  });

  it("checked, have a buffer of their own, of length 0 from the moment the block is released or sent", () => {
    const { pool, must } = make({ checked: true });
    const [one, two, three] = [must(100), must(100), must(MIB)];
    const views = [one.bytes, two.bytes, three.bytes];
    expect(new Set(views.map(({ buffer }) => buffer)).size).toBe(3);
    one.release();
    expect(views.map(({ byteLength }) => byteLength)).toEqual([0, 100, MIB]);
    pool.sent(two);
    expect(views.map(({ byteLength }) => byteLength)).toEqual([0, 0, MIB]);
    const home = pool.cameHome(two.segment.id, two.slot, 100)!;
    expect(home.bytes.byteLength).toBe(100);
    const [shared] = three.share(1);
    expect(views[2]!.byteLength).toBe(0);
    const handle = shared!.bytes;
    shared!.release();
    expect(handle.byteLength).toBe(0);
    expect(must(0).bytes.byteLength).toBe(0);
  });
});

import { spawn } from "node:child_process";
import { closeSync, fstatSync, readSync, writeSync } from "node:fs";
import fc from "fast-check";
import { bool, bytes, type Codec, DecodeError, f64, type Infer, oneOf, struct, u32 } from "ringbell";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { GONE, inlineOf } from "../../../lib/codec/inline.js";
import { loadBinding } from "../../../lib/native/load.js";
import type { Connection, LaneStats } from "../../../lib/transport/contract.js";
import { recordBytes } from "../../../lib/transport/records/record-layout.js";
import { NOT_INLINE, NOTHING } from "../../../lib/transport/shm/inline-consumer.js";
import type { RingUse } from "../../../lib/transport/shm/inline-rings.js";
import type { RingLane } from "../../../lib/transport/shm/ring-lane.js";
import { pack, payload, post, put, readRecords } from "../contract/harness.js";
import { type ShmPair, shmPair } from "./pair.js";

const CAPACITY = 4096;
const LANES = [{ name: "main", capacity: CAPACITY }];
const { region, latency } = loadBinding().layout;

/** Of 24 bytes, so that records of 32 fill a ring to its end. */
const Tick = struct({ id: u32, side: oneOf("buy", "sell"), live: bool, price: f64, size: f64 });
type Tick = Infer<typeof Tick>;
const tick = (i: number): Tick => ({
  id: i,
  side: i % 2 ? "buy" : "sell",
  live: i % 3 === 0,
  price: i / 7,
  size: -i,
});

const open: ShmPair[] = [];
afterEach(() => {
  for (const { ends, memory } of open.splice(0)) {
    for (const end of ends) end.destroy();
    closeSync(memory);
  }
});

async function made(...rings: readonly [RingUse, RingUse]) {
  const pair = await shmPair(LANES, { rings, withMemory: true });
  open.push(pair);
  const [a, b] = pair.ends;
  const handler = { onRecords: () => false, onRoom() {}, onTaken() {} };
  for (const end of pair.ends) end.start({ onEnd() {}, onMemory() {} }, [handler]);
  const lane = (end: Connection) => end.lanes[0] as RingLane;
  lane(a).inline.out.expect(inlineOf(Tick)!.bytes);
  lane(b).inline.incoming.expect(inlineOf(Tick)!.bytes);
  return { memory: pair.memory, a, b, out: lane(a), into: lane(b) };
}
type Made = Awaited<ReturnType<typeof made>>;

/** The control of a ring of the lane, and its data: their offsets in the memory. The listener sends on ring 0. */
const controlOf = (ring: number) => region.headerBytes + region.controlBytes * ring;
const dataOf = (ring: number) => region.dataAlignment + CAPACITY * ring;

/** The memory without the nonce and without times, which differ from run to run. */
function bytesOf(memory: number): Buffer {
  const all = Buffer.alloc(fstatSync(memory).size);
  readSync(memory, all, 0, all.length, 0);
  all.fill(0, 0, region.headerBytes);
  const rings = region.ringsALane * 2;
  for (let ring = 0; ring < rings; ring++) {
    const control = controlOf(ring);
    all.fill(0, control + 16, control + 16 + 4 * latency.buckets);
    all.fill(0, control + region.marked + 8, control + region.marked + 16);
  }
  return all;
}

describe("messages that are written to the ring and read there", () => {
  it("go inline from both sides, and no call of the addon counts them", async () => {
    const { out, into } = await made("inline", "inline");
    post(out, payload(0, 8));
    into.drainSome();
    const inline = inlineOf(Tick)!;
    for (let i = 1; i < 12; i++) {
      expect(inline.encode!(tick(i), out.inline.out)).toBe(GONE);
      const at = into.inline.incoming.take(inline.bytes);
      expect(at).toBeGreaterThan(0);
      expect(Tick.decode(into.inline.incoming.data, at, inline.bytes, [])).toEqual(tick(i));
    }
    expect(into.inline.incoming.take(inline.bytes)).toBe(NOTHING);
    expect([out.stats().sentMessages, out.stats().sentBytes]).toEqual([12, 8 + 11 * inline.bytes]);
    expect([into.stats().receivedMessages, into.stats().receivedBytes]).toEqual([12, 8 + 11 * inline.bytes]);
  });

  it("are those of structs of numbers, booleans and enums, read also with fixed bytes; no text, no view, no list", () => {
    const of = (codec: Codec<never, unknown>) => {
      const how = inlineOf(codec);
      return how && [how.encode !== undefined, how.decodes];
    };
    expect(of(Tick)).toEqual([true, true]);
    expect(of(struct({ key: bytes(16) }))).toEqual([false, true]);
    expect(of(struct({ key: bytes(16, { copy: false }) }))).toEqual([false, false]);
    expect(of(struct({ list: struct({ key: bytes(300) }) }))).toBe(undefined);
    expect(of({ ...Tick })).toBe(undefined);
  });

  it("have been read and checked when room is claimed: what a getter sends comes first, and both are whole", async () => {
    const { out, into } = await made("inline", "inline");
    post(out, payload(0, 8));
    into.drainSome();
    const encode = inlineOf(Tick)!.encode!;
    const outer = {
      ...tick(2),
      get price() {
        expect(encode(tick(1), out.inline.out)).toBe(GONE);
        return 2 / 7;
      },
    };
    expect(encode(outer, out.inline.out)).toBe(GONE);
    into.drain(10);
    expect(readRecords(into.records).map((record) => record.readUInt32LE(0))).toEqual([1, 2]);
  });
});

// ---- the same operations by both ways

type Operation =
  | { readonly do: "send"; readonly bytes: number }
  | { readonly do: "tick"; readonly i: number }
  | { readonly do: "batch"; readonly lengths: readonly number[] }
  | { readonly do: "take" }
  | { readonly do: "wish" }
  | { readonly do: "drain"; readonly max: number };

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("send" as const), bytes: fc.nat(140) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("send" as const), bytes: fc.nat(CAPACITY / 2 - 8) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("tick" as const), i: fc.nat(1e6) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("batch" as const),
      // As many as the outbox holds, half a ring.
      lengths: fc
        .array(fc.nat(300), { minLength: 1, maxLength: 8 })
        .filter((lengths) => lengths.reduce((sum, length) => sum + recordBytes(length), 0) <= CAPACITY / 2),
    }),
  },
  { weight: 7, arbitrary: fc.constant({ do: "take" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "wish" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("drain" as const), max: fc.integer({ min: 1, max: 5 }) }),
  },
);

/** Does an operation, by the inline way as far as the ends have it. Returns what can be seen of it. */
function run({ out, into }: Made, operation: Operation, n: number): unknown {
  switch (operation.do) {
    case "send":
      return out.send(put(out, payload(n, operation.bytes)));
    case "tick": {
      const message = tick(operation.i);
      const bytes = out.isInline ? inlineOf(Tick)!.encode!(message, out.inline.out) : NOT_INLINE;
      if (bytes === GONE) return 0;
      return out.send(bytes >= 0 ? bytes : Tick.encode(message, out.place.scratch, out.place.at, []));
    }
    case "batch":
      pack(
        out,
        operation.lengths.map((length) => payload(n, length)),
      );
      return out.sendPacked();
    case "take": {
      const { incoming } = into.inline;
      const { bytes } = inlineOf(Tick)!;
      const at = into.isInline ? incoming.take(bytes) : NOT_INLINE;
      if (at > 0) return [Buffer.from(incoming.data.buffer.subarray(at, at + bytes))];
      into.drain(1);
      return readRecords(into.records);
    }
    case "wish":
      out.wantRoom();
      return undefined;
    case "drain":
      into.drain(operation.max);
      return readRecords(into.records);
  }
}

const countersOf = ({ blockedSince, idleSince, sendLatency, receiveLatency, ...counters }: LaneStats) => ({
  ...counters,
  blocked: blockedSince !== undefined,
  measured: receiveLatency?.samples,
});

/** Where the operations begin: behind so many records of 24 bytes, mostly near the end of a ring, which has 4096. */
const begin = fc.oneof(fc.integer({ min: 150, max: 170 }), fc.nat(170));
function goTo({ out, into }: Made, records: number): void {
  for (let i = 0; i < records; i++) {
    post(out, payload(i, 16));
    into.drain(1);
    into.records.skip();
  }
}

it.each([
  ["inline", "inline"],
  ["inline", "native"],
  ["native", "inline"],
] as const)(
  "from %s to %s ends, any operations leave the same bytes, positions and counters as by the addon alone",
  async (a, b) => {
    await fc.assert(
      fc.asyncProperty(
        begin,
        fc.array(operation, { minLength: 20, maxLength: 120 }),
        async (records, operations) => {
          const [one, other] = [await made(a, b), await made("native", "native")];
          expect([one.out.isInline, one.into.isInline]).toEqual([a === "inline", b === "inline"]);
          for (const each of [one, other]) goTo(each, records);
          operations.forEach((operation, n) => {
            expect(run(one, operation, n)).toEqual(run(other, operation, n));
            expect(countersOf(one.out.stats())).toEqual(countersOf(other.out.stats()));
            expect(countersOf(one.into.stats())).toEqual(countersOf(other.into.stats()));
          });
          expect(bytesOf(one.memory).equals(bytesOf(other.memory))).toBe(true);
          for (const { ends, memory } of open.splice(0)) {
            for (const end of ends) end.destroy();
            closeSync(memory);
          }
        },
      ),
      { numRuns: 40 },
    );
  },
);

// ---- hostile memory

const word = (value: number) => Buffer.from(Int32Array.of(value).buffer);

describe("a peer that writes what it likes", () => {
  const bytes = inlineOf(Tick)!.bytes;
  /** An inline end that has taken `before` messages of `length` bytes. */
  async function victim(before: number, length = bytes) {
    const all = await made("native", "inline");
    for (let i = 0; i < before; i++) {
      post(all.out, Buffer.alloc(length, 1));
      all.into.drainSome();
    }
    const at = dataOf(0) + ((before * (length + 8)) % CAPACITY);
    return { ...all, at };
  }

  it("into a header has nothing taken inline but a plain record of the right length that ends before the ring does", async () => {
    const header = fc.oneof(fc.constant(bytes), fc.nat(64), fc.nat(0x7fff_ffff));
    const kind = fc.oneof(fc.constant(0), fc.nat(4), fc.integer());
    await fc.assert(
      fc.asyncProperty(
        // With records of 24 bytes, up to the last place at which a record of 32 would go beyond the end.
        fc.oneof(fc.integer({ min: 1, max: 170 }), fc.integer({ min: 168, max: 170 })),
        header,
        kind,
        fc.boolean(),
        async (before, length, kind, published) => {
          const { into, memory, at, b } = await victim(before, 16);
          writeSync(
            memory,
            Buffer.concat([word(published ? length | -0x8000_0000 : length), word(kind)]),
            0,
            8,
            at,
          );
          const took = into.inline.incoming.take(bytes);
          const rest = dataOf(0) + CAPACITY - at;
          const plain = published && length === bytes && kind === 0 && bytes + 8 < rest;
          if (!published) expect(took).toBe(NOTHING);
          else if (took !== NOT_INLINE) expect([plain, took]).toEqual([true, at - dataOf(0) + 8]);
          // Whatever it is, the addon judges what is not taken.
          if (took === NOT_INLINE) into.drain(1);
          await new Promise((resolve) => setImmediate(resolve));
          expect([undefined, "protocol-error"]).toContain(b.ending.reason);
          if (plain) expect(b.ending.reason).toBe(undefined);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("into all control words of the rings makes an inline end wake it in vain, or end with a typed error", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer(), { minLength: 128, maxLength: 128 }), async (words) => {
        const { a, out, into, memory } = await made("inline", "inline");
        for (let i = 0; i < 5; i++) post(out, payload(i, 16));
        writeSync(memory, Buffer.from(Int32Array.from(words).buffer), 0, 512, controlOf(0));
        for (let i = 0; i < 600; i++) {
          post(out, payload(i, 16));
          into.drainSome();
        }
        await new Promise((resolve) => setImmediate(resolve));
        expect([undefined, "protocol-error", "peer-closed", "peer-died"]).toContain(a.ending.reason);
      }),
      { numRuns: 20 },
    );
  });

  it("into a message while it is read there gives values that were checked, or a DecodeError", async () => {
    const { into, memory } = await victim(1);
    // The child writes whole laps of records with random bytes in them, each header as it should be.
    const program = `
      const { writeSync } = require("node:fs"), { randomBytes } = require("node:crypto");
      for (;;) {
        const lap = randomBytes(${CAPACITY});
        for (let at = 0; at < lap.length; at += ${bytes + 8}) {
          lap.writeInt32LE(${bytes} | -0x80000000, at); if (at + 8 <= lap.length) lap.writeInt32LE(0, at + 4);
          lap[at + 12] &= 3; lap[at + 13] &= 3;
        }
        writeSync(3, lap, 0, lap.length, ${dataOf(0)});
      }`;
    const child = spawn(process.execPath, ["-e", program], {
      stdio: ["ignore", "ignore", "inherit", memory],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    let [good, bad] = [0, 0];
    const until = performance.now() + 20_000;
    while ((good < 3000 || bad < 100) && performance.now() < until) {
      const at = into.inline.incoming.take(bytes);
      if (at <= 0) {
        into.drain(1);
        into.records.skip();
        continue;
      }
      try {
        const { id, side, live, price } = Tick.decode(into.inline.incoming.data, at, bytes, []);
        if (!["buy", "sell"].includes(side) || typeof live !== "boolean" || id >>> 0 !== id)
          throw new Error("unchecked");
        if (typeof price !== "number") throw new Error("unchecked");
        good++;
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
        bad++;
      }
    }
    expect([good >= 3000, bad >= 100]).toEqual([true, true]);
  });
});

// ---- where there is no inline way

type Rings = typeof import("../../../lib/transport/shm/inline-rings.js").InlineRings;
const ringsOf = (Kind: Rings, native: object) =>
  new Kind(native as never, loadBinding().layout, true, [4096, 4096], 64 * 1024, "inline");

describe("the inline way", () => {
  it("opens when a lane has been used for some time, and closes with the connection", async () => {
    const { a, out, into } = await made("auto", "auto");
    post(out, payload(0, 16));
    expect([out.isInline, into.isInline]).toEqual([false, false]);
    for (let i = 0; i < 100; i++) {
      post(out, payload(i, 16));
      into.drainSome();
    }
    expect([out.isInline, into.isInline]).toEqual([true, true]);
    void a.close();
    expect(out.isInline).toBe(false);
    expect(post(out, payload(0, 16))).toBe(2);
  });

  it("opens for a lane that is used by blocking calls only", async () => {
    const { out, into } = await made("auto", "auto");
    for (let i = 0; i < 100; i++) {
      expect(out.sendWait(put(out, payload(i, 16)), 0)).toBe(0);
      expect(into.drainWait(1, 0)).toBe(1);
      into.records.skip();
    }
    expect([out.isInline, into.isInline]).toEqual([true, true]);
  });

  it("stays shut with RINGBELL_RING=native, and is open at once with RINGBELL_RING=inline", async () => {
    for (const use of ["native", "inline"] as const) {
      vi.stubEnv("RINGBELL_RING", use);
      onTestFinished(() => void vi.unstubAllEnvs());
      const pair = await shmPair(LANES);
      const lane = pair.ends[0].lanes[0] as RingLane;
      for (let i = 0; use === "native" && i < 200; i++) post(lane, payload(i, 8));
      expect(lane.isInline).toBe(use === "inline");
      for (const end of pair.ends) end.destroy();
    }
  });

  it.each(["throw", "do nothing", "write elsewhere"])(
    "stays shut in an engine whose Atomics %s",
    async (how) => {
      const store = Atomics.store;
      vi.spyOn(Atomics, "store").mockImplementation(((array: Int32Array, index: number, value: number) => {
        if (how === "throw") throw new TypeError("no shared memory");
        return how === "do nothing" ? value : store(array, index === 0 ? 1 : 0, value);
      }) as never);
      onTestFinished(() => void vi.restoreAllMocks());
      // Another copy of the module, which has not tested this engine yet.
      vi.resetModules();
      const { InlineRings } = await import("../../../lib/transport/shm/inline-rings.js");
      const dropped: unknown[] = [];
      const native = {
        memory: () => new ArrayBuffer(64 * 1024),
        dropView: (view: unknown) => dropped.push(view),
      };
      const rings = ringsOf(InlineRings, native);
      expect([rings.of(0), dropped.length]).toEqual([undefined, 1]);
    },
  );

  it("stays shut where a view does not show what native code has written", async () => {
    const { InlineRings } = await import("../../../lib/transport/shm/inline-rings.js");
    const native = { memory: () => new ArrayBuffer(64 * 1024), dropView() {} };
    const rings = ringsOf(InlineRings, native);
    expect(rings.of(0)).toBe(undefined);
  });
});

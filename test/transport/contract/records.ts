import { describe, expect, it } from "vitest";
import { longestPayload, recordBytes } from "../../../lib/transport/records/record-layout.js";
import { SENT } from "../../../lib/transport/records/send-status.js";
import { differsAt, numbers, pack, payload, post, readRecords, turns } from "./harness.js";
import type { Pair } from "./suite.js";

export function records(pair: Pair, unstarted: Pair): void {
  describe("records", () => {
    it("arrive in order with their bytes, of every length from nothing to the longest", async () => {
      const [a, b] = await pair(64 * 1024);
      const longest = a.lane().maxBytes;
      expect(longest).toBe(longestPayload(64 * 1024));
      const lengths = [0, 1, 7, 8, 9, 15, 16, 17, 255, 4095, 4096, 4097, longest - 1, longest, 0, 3];
      b.lane().wantRecords(true);
      for (const [seed, length] of lengths.entries()) expect(await a.send(payload(seed, length))).toBe(SENT);
      await b.received(lengths.length);
      expect(
        differsAt(
          b.log().records,
          lengths.map((length, seed) => payload(seed, length)),
        ),
      ).toBe(-1);
    });

    it("go round many times in odd sizes, both ways at once, without a byte changed", async () => {
      const [a, b] = await pair(4096);
      const count = 2000;
      const sizes = numbers(a.lane().maxBytes + 1);
      const sent = Array.from({ length: count }, (_, seed) => payload(seed, sizes.next().value));
      a.lane().wantRecords(true);
      b.lane().wantRecords(true);
      const flow = async (end: typeof a) => {
        for (const record of sent) await end.send(record);
      };
      await Promise.all([flow(a), flow(b), a.received(count), b.received(count)]);
      for (const end of [a, b]) {
        expect(end.log().records.length).toBe(count);
        expect(differsAt(end.log().records, sent)).toBe(-1);
      }
    });

    it("of a batch go out with one call, in order", async () => {
      const [a, b] = await pair(4096);
      const batch = [payload(1, 10), payload(2, 0), payload(3, 33), payload(4, 8)];
      pack(a.lane(), batch);
      expect(a.lane().sendPacked()).toBe(batch.length);
      b.lane().wantRecords(true);
      await b.received(batch.length);
      expect(b.log().records).toEqual(batch);
    });

    it("go out of a batch only as far as there is room, and nothing else is queued", async () => {
      const [a, b] = await pair(4096);
      const batch = Array.from({ length: 20 }, (_, seed) => payload(seed, 88));
      pack(a.lane(), batch);
      expect(a.lane().sendPacked()).toBe(20);
      pack(a.lane(), batch);
      expect(a.lane().sendPacked()).toBe(20);
      pack(a.lane(), batch);
      const sent = a.lane().sendPacked();
      expect(sent).toBeLessThan(20);
      expect(a.lane().stats().sendFill).toBeLessThanOrEqual(4096);
      expect(a.lane().stats().fullCount).toBeGreaterThan(0);
      b.lane().wantRecords(true);
      await b.received(40 + sent);
      await a.taken();
      expect(b.log().records).toEqual([...batch, ...batch, ...batch.slice(0, sent)]);
    });

    it("that nobody wants are kept until they are wanted", async () => {
      const [a, b] = await pair(4096, 4096);
      for (let seed = 0; seed < 5; seed++) post(a.lane(0), payload(seed, 20));
      b.lane(1).wantRecords(true);
      await a.send(payload(9, 9), 1);
      await b.received(1, 1);
      await turns(3);
      expect(b.log(0).records).toEqual([]);
      b.lane(0).wantRecords(true);
      expect(b.log(0).records).toEqual([]);
      await b.received(5, 0);
      expect(b.log(0).records).toEqual([0, 1, 2, 3, 4].map((seed) => payload(seed, 20)));
    });

    it("stay where they are after wantRecords(false) in the handler, and can be drained", async () => {
      const [a, b] = await pair(4096);
      b.log().after = () => b.lane().wantRecords(false);
      b.lane().wantRecords(true);
      await a.send(payload(0, 50));
      await b.received(1);
      const before = b.log().records.length;
      for (let seed = 1; seed < 20; seed++) await a.send(payload(seed, 50));
      const rest: Buffer[] = [];
      while (before + rest.length < 20) {
        const count = b.lane().drain(3);
        expect(count).toBeLessThanOrEqual(3);
        rest.push(...readRecords(b.lane().records));
        if (count === 0) await turns(1);
      }
      expect(b.log().records.length).toBe(before);
      expect([...b.log().records, ...rest]).toEqual(
        Array.from({ length: 20 }, (_, seed) => payload(seed, 50)),
      );
      expect(b.lane().drain(3)).toBe(0);
    });

    it("that are long come one by one where the inbox holds no more", async () => {
      const [a, b] = await pair(1024 * 1024);
      const longest = a.lane().maxBytes;
      const sent = [payload(1, longest), payload(2, longest - 8), payload(3, 1)];
      b.lane().wantRecords(true);
      for (const record of sent) await a.send(record);
      await b.received(3);
      expect(differsAt(b.log().records, sent)).toBe(-1);
    });

    it("that came before start are delivered, but no handler runs within start", async () => {
      const [a, b] = await unstarted(4096);
      a.start();
      post(a.lane(), payload(1, 12));
      await turns(3);
      b.lane().wantRecords(true);
      b.start();
      expect(b.log().records).toEqual([]);
      await b.received(1);
      expect(b.log().records).toEqual([payload(1, 12)]);
    });

    it("may be answered within the handler, which asks for more at once, and nothing is lost", async () => {
      const [a, b] = await pair(4096);
      b.log().goOn = true;
      b.log().after = () => {
        while (b.log().records.length > answered) post(b.lane(), b.log().records[answered++]!);
      };
      let answered = 0;
      a.lane().wantRecords(true);
      b.lane().wantRecords(true);
      const sent = Array.from({ length: 1000 }, (_, i) => payload(i, i % 60));
      for (const [i, record] of sent.entries()) {
        await a.send(record);
        if (i % 10 === 9) await a.received(i + 1);
      }
      await a.received(1000);
      expect(differsAt(a.log().records, sent)).toBe(-1);
      // The handlers were called from the event loop all the same: others have had their turn.
      expect(b.log().counts.length).toBeGreaterThan(1);
    });

    it("of many lanes arrive each in its lane, in order", async () => {
      const [a, b] = await pair(4096, 8192, 16384);
      const each = [0, 1, 2].map((index) =>
        Array.from({ length: 200 }, (_, i) => payload(i, (i * 7 + index) % 200)),
      );
      for (const index of [0, 1, 2]) b.lane(index).wantRecords(true);
      await Promise.all(
        each.map(async (list, index) => {
          for (const record of list) await a.send(record, index);
        }),
      );
      await Promise.all(each.map((list, index) => b.received(list.length, index)));
      expect(each.map((list, index) => differsAt(b.log(index).records, list))).toEqual([-1, -1, -1]);
      expect(a.connection.lanes.map((lane) => lane.name)).toEqual(["main", "lane-1", "lane-2"]);
    });

    it("are counted", async () => {
      const [a, b] = await pair(4096);
      const idle = b.lane().stats().idleSince;
      expect(idle).toBeTypeOf("number");
      b.lane().wantRecords(true);
      for (const length of [0, 5, 300]) await a.send(payload(1, length));
      await b.received(3);
      await a.taken();
      expect(a.lane().stats()).toMatchObject({
        name: "main",
        capacity: 4096,
        sentMessages: 3,
        sentBytes: 305,
      });
      expect(a.lane().stats().sendFill).toBe(0);
      expect(b.lane().stats()).toMatchObject({ receivedMessages: 3, receivedBytes: 305, receiveFill: 0 });
      expect(b.connection.stats().rescues).toBe(0);
    });

    it("fit the place after grow, up to the longest", async () => {
      const [a] = await pair(4096);
      const most = recordBytes(a.lane().maxBytes);
      a.lane().grow(a.lane().maxBytes);
      expect(a.lane().place.scratch.length).toBeGreaterThanOrEqual(most);
      a.lane().grow(8);
      expect(a.lane().place.scratch.length).toBeGreaterThanOrEqual(most);
    });
  });
}

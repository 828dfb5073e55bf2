import { describe, expect, it } from "vitest";
import { recordBytes } from "../../../lib/transport/records/record-layout.js";
import { FULL, SENT } from "../../../lib/transport/records/send-status.js";
import { fill, payload, post, readRecords, turns } from "./harness.js";
import type { Pair } from "./suite.js";

export function backpressure(pair: Pair): void {
  describe("backpressure", () => {
    it("says FULL when the peer takes nothing, and queues nothing more", async () => {
      const [a, b] = await pair(4096);
      const sent = fill(a.lane(), 100);
      expect(sent).toBeGreaterThan(4096 / 2 / recordBytes(100));
      expect(sent * recordBytes(100)).toBeLessThanOrEqual(4096);
      await turns(3);
      expect(post(a.lane(), payload(0, 100))).toBe(FULL);
      b.lane().wantRecords(true);
      await b.received(sent);
      await a.taken();
      expect(b.log().records.length).toBe(sent);
    });

    it("calls onRoom once, after the peer has taken something", async () => {
      const [a, b] = await pair(4096);
      fill(a.lane(), 100);
      a.lane().wantRoom();
      expect(a.lane().stats().blockedSince).toBeTypeOf("number");
      await turns(5);
      expect(a.log().rooms).toBe(0);
      b.lane().wantRecords(true);
      await a.signal.until(() => a.log().rooms > 0);
      expect(post(a.lane(), payload(1, 100))).toBe(SENT);
      expect(a.lane().stats().blockedSince).toBeUndefined();
      await a.taken();
      expect(a.log().rooms).toBe(1);
    });

    it("calls onRoom though the peer took everything before it was asked for, and not at once", async () => {
      const [a, b] = await pair(4096);
      const sent = fill(a.lane(), 100);
      b.lane().wantRecords(true);
      await b.received(sent);
      await turns(3);
      a.lane().wantRoom();
      expect(a.log().rooms).toBe(0);
      await a.signal.until(() => a.log().rooms > 0);
      expect(post(a.lane(), payload(1, 100))).toBe(SENT);
    });

    it("lets the longest record through, wherever the ring stands", async () => {
      const [a, b] = await pair(4096);
      b.lane().wantRecords(true);
      let records = 0;
      for (let step = 0; step < 60; step++) {
        await a.send(payload(step, step * 8));
        await a.send(payload(step, a.lane().maxBytes));
        records += 2;
      }
      await b.received(records);
      expect(b.log().records[119]).toEqual(payload(59, a.lane().maxBytes));
    });

    it("finds room when a peer drains by hand", async () => {
      const [a, b] = await pair(4096);
      let seed = 0;
      let next = 0;
      for (let round = 0; round < 50; round++) {
        while (post(a.lane(), payload(seed, (seed * 13) % 300)) === SENT) seed++;
        const room = a.room();
        let roomy = false;
        void room.then(() => {
          roomy = true;
        });
        while (!roomy) {
          b.lane().drain(4);
          for (const record of readRecords(b.lane().records)) {
            expect(record).toEqual(payload(next, (next * 13) % 300));
            next++;
          }
          await turns(1);
        }
      }
      expect(seed).toBeGreaterThan(200);
    });

    it("in one lane stalls no other, in either direction", async () => {
      const [a, b] = await pair(4096, 4096);
      const stuck = fill(a.lane(0), 500);
      fill(b.lane(0), 500);
      a.lane(1).wantRecords(true);
      b.lane(1).wantRecords(true);
      for (let i = 0; i < 100; i++) {
        await a.send(payload(i, 400), 1);
        await b.send(payload(i, 300), 1);
      }
      await Promise.all([a.received(100, 1), b.received(100, 1)]);
      expect(b.log(0).records).toEqual([]);
      b.lane(0).wantRecords(true);
      await b.received(stuck, 0);
    });

    it("keeps onTaken back until the peer has taken all that was sent before", async () => {
      const [a, b] = await pair(4096);
      for (let i = 0; i < 5; i++) post(a.lane(), payload(i, 10));
      a.lane().wantTaken();
      await turns(5);
      expect(a.log().takens).toBe(0);
      while (b.lane().drain(2) === 0) await turns(1);
      await turns(5);
      expect(a.log().takens).toBe(0);
      b.lane().wantRecords(true);
      await a.signal.until(() => a.log().takens > 0);
      expect(b.log().records.length).toBe(3);
      expect(a.lane().stats().sendFill).toBe(0);
      await turns(5);
      expect(a.log().takens).toBe(1);
    });

    it("lets onTaken come also where a long record was taken, and reported, before the last one", async () => {
      const [a, b] = await pair(4096);
      post(a.lane(), payload(1, 1000));
      post(a.lane(), payload(2, 10));
      a.lane().wantTaken();
      await turns(5);
      while (b.lane().drain(1) === 0) await turns(1);
      await turns(5);
      expect(a.log().takens).toBe(0);
      expect(b.lane().drain(1)).toBe(1);
      await a.signal.until(() => a.log().takens > 0);
    });

    it("answers wantTaken where nothing is on its way, and not at once", async () => {
      const [a] = await pair(4096);
      a.lane().wantTaken();
      expect(a.log().takens).toBe(0);
      await a.signal.until(() => a.log().takens > 0);
      await a.taken();
      expect(a.log().takens).toBe(2);
    });

    it("lets onTaken come though more is sent all the time", async () => {
      const [a, b] = await pair(4096);
      b.lane().wantRecords(true);
      a.log().after = (event) => {
        if (event === "room") pump();
      };
      const pump = () => {
        for (let i = 0; i < 8; i++) if (post(a.lane(), payload(i, 200)) !== SENT) break;
        a.lane().wantRoom();
      };
      pump();
      await a.taken();
      await a.taken();
      expect(a.log().takens).toBe(2);
    });
  });
}

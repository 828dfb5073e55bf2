import { describe, expect, it } from "vitest";
import { SyncUnavailableError } from "../../../lib/errors.js";
import { ENDED, FULL, SENT, type TransportLane } from "../../../lib/transport/contract.js";
import { recordBytes } from "../../../lib/transport/records/record-layout.js";
import { fill, payload, post, readRecords, turns } from "./harness.js";
import type { Pair } from "./suite.js";

export function waiting(pair: Pair, sync: boolean): void {
  describe("waiting", () => {
    it("is not needed where there is room, or a record is there already", async () => {
      const [a, b] = await pair(4096, 4096);
      a.lane().outbox.buffer.set(payload(1, 20), 8);
      expect(a.lane().sendWait(20, 1000)).toBe(SENT);
      a.lane().outbox.buffer.set(payload(2, 20), 8);
      expect(a.lane().sendWait(20, 1000)).toBe(SENT);
      b.lane(1).wantRecords(true);
      await a.send(payload(3, 3), 1);
      await b.received(1, 1);
      expect(b.lane().drainWait(1, 1000)).toBe(1);
      expect(b.lane().drainWait(9, 1000)).toBe(1);
      expect(readRecords(b.lane().inbox, 1)).toEqual([payload(2, 20)]);
    });

    it("is over once the connection has ended", async () => {
      const [a, b] = await pair(4096);
      post(a.lane(), payload(1, 20));
      await a.connection.close("closed");
      await b.ended();
      expect(b.lane().drainWait(5, 60_000)).toBe(1);
      expect(b.lane().drainWait(5, 60_000)).toBe(0);
      expect(b.lane().sendWait(20, 60_000)).toBe(ENDED);
      expect(a.lane().drainWait(5, 60_000)).toBe(0);
    });

    if (!sync) {
      it("without the means for it throws, and nothing has happened", async () => {
        const [a, b] = await pair(4096);
        expect(() => b.lane().drainWait(1, 10)).toThrow(SyncUnavailableError);
        const sent = fill(a.lane(), 100);
        expect(() => a.lane().sendWait(100, 10)).toThrow(SyncUnavailableError);
        b.lane().wantRecords(true);
        await b.received(sent);
        await a.taken();
        expect(b.log().records.length).toBe(sent);
      });
      return;
    }

    it("for a record ends with the time", async () => {
      const [, b] = await pair(4096);
      const before = performance.now();
      expect(b.lane().drainWait(1, 30)).toBe(0);
      expect(performance.now() - before).toBeGreaterThan(28);
      expect(b.lane().drainWait(1, 0)).toBe(0);
    });

    it("for room ends with the time", async () => {
      const [a, b] = await pair(4096);
      const sent = fill(a.lane(), 100);
      const before = performance.now();
      expect(a.lane().sendWait(100, 30)).toBe(FULL);
      expect(performance.now() - before).toBeGreaterThan(28);
      expect(a.lane().sendWait(100, 0)).toBe(FULL);
      b.lane().wantRecords(true);
      await b.received(sent);
      await a.taken();
      expect(b.log().records.length).toBe(sent);
    });

    it("goes to and fro in one thread without the event loop, and calls no handler", async () => {
      const [a, b] = await pair(4096, 4096);
      a.lane(1).wantRecords(true);
      b.lane(1).wantRecords(true);
      await turns(3);
      for (let i = 0; i < 500; i++) {
        const length = (i * 37) % a.lane().maxBytes;
        a.lane(0).growOutbox(recordBytes(length));
        a.lane(0).outbox.buffer.set(payload(i, length), 8);
        expect(a.lane(0).sendWait(length, 10_000)).toBe(SENT);
        expect(b.lane(0).drainWait(1, 10_000)).toBe(1);
        expect(readRecords(b.lane(0).inbox, 1)[0]?.equals(payload(i, length))).toBe(true);
        if (i % 100 === 0) post(a.lane(1), payload(i, 5));
      }
      expect(b.log(1).records).toEqual([]);
      await b.received(5, 1);
    });

    it("is not needed by who tries again and again without the event loop, to and fro, and where there is no room", async () => {
      const [a, b] = await pair(4096);
      const until = performance.now() + 10_000;
      // Who has sent looks for an answer meanwhile, as it would in a thread of its own.
      const drained = (lane: TransportLane, sender: TransportLane): number => {
        while (performance.now() < until) {
          const count = lane.drain(1000);
          if (count > 0) return count;
          expect(sender.drain(1000)).toBe(0);
        }
        throw new Error("nothing came");
      };
      for (let i = 0; i < 300; i++) {
        expect(post(a.lane(), payload(i, 40))).toBe(SENT);
        expect(drained(b.lane(), a.lane())).toBe(1);
        expect(post(b.lane(), payload(i, 40))).toBe(SENT);
        expect(drained(a.lane(), b.lane())).toBe(1);
      }
      let received = 0;
      while (received < 5000 && performance.now() < until) {
        fill(a.lane(), 40);
        received += b.lane().drain(1000);
      }
      expect(received).toBeGreaterThanOrEqual(5000);
    });

    it("within a handler hears of the end after the handler has returned", async () => {
      const [a, b] = await pair(4096, 4096);
      let within = -1;
      let count = -1;
      b.log(0).after = () => {
        void a.connection.close("closed");
        count = b.lane(1).drainWait(1, 10_000);
        within = b.ends.length;
      };
      b.lane(0).wantRecords(true);
      post(a.lane(0), payload(1, 5));
      await b.ended();
      expect([count, within]).toEqual([0, 0]);
    });
  });
}

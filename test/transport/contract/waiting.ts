import { describe, expect, it } from "vitest";
import type { TransportLane } from "../../../lib/transport/contract.js";
import { ENDED, FULL, SENT } from "../../../lib/transport/records/send-status.js";
import { type ContractOptions, fill, payload, post, put, readRecords, tryOrWait, turns } from "./harness.js";
import type { Pair } from "./suite.js";

export function waiting(pair: Pair, { blocking, tries }: ContractOptions): void {
  describe("a thread that only tries", () => {
    if (!tries) {
      it.skip("needs the addon", () => {});
      return;
    }

    it("gets on without the event loop, to and fro, and where there is no room", async () => {
      const [a, b] = await pair(4096);
      const until = performance.now() + 10_000;
      // Whoever has sent looks for an answer meanwhile, as it would in a thread of its own.
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

    it("has no handler called meanwhile", async () => {
      const [a, b] = await pair(4096, 4096);
      b.lane(1).wantRecords(true);
      await turns(3);
      for (let i = 0; i < 5; i++) post(a.lane(1), payload(i, 5));
      post(a.lane(0), payload(9, 9));
      for (const until = performance.now() + 10_000; b.lane(0).drain(1) === 0; ) {
        expect(performance.now()).toBeLessThan(until);
        // What it gathered goes out with the next look.
        a.lane(0).drain(1);
      }
      expect([readRecords(b.lane(0).records), b.log(1).records]).toEqual([[payload(9, 9)], []]);
      await b.received(5, 1);
    });

    it("within a handler hears of the end after the handler has returned", async () => {
      const [a, b] = await pair(4096, 4096);
      let within = -1;
      let count = 0;
      b.log(0).after = () => {
        void a.connection.close();
        for (const until = performance.now() + 10_000; performance.now() < until; ) {
          count += tryOrWait(b.lane(1));
          b.connection.look();
          if (b.connection.ending.reason !== undefined) break;
        }
        within = b.ends.length;
      };
      b.lane(0).wantRecords(true);
      post(a.lane(0), payload(1, 5));
      await b.ended();
      expect([count, within]).toEqual([0, 0]);
    });
  });

  describe("waiting", () => {
    if (!blocking) {
      it("is for no lane whose records come by the event loop", async () => {
        for (const end of await pair(4096, 4096)) {
          expect(end.connection.lanes.map((lane) => lane.blocking)).toEqual([undefined, undefined]);
        }
      });
      return;
    }

    it("is for all of the lanes", async () => {
      const [a] = await pair(4096, 4096);
      expect(a.connection.lanes.every((lane) => lane.blocking === lane)).toBe(true);
    });

    it("is not needed where there is room, or a record is there already", async () => {
      const [a, b] = await pair(4096, 4096);
      expect(a.blocking().sendWait(put(a.lane(), payload(1, 20)), 1000)).toBe(SENT);
      expect(a.blocking().sendWait(put(a.lane(), payload(2, 20)), 1000)).toBe(SENT);
      b.lane(1).wantRecords(true);
      await a.send(payload(3, 3), 1);
      await b.received(1, 1);
      expect(b.blocking().drainWait(1, 1000)).toBe(1);
      expect(b.blocking().drainWait(9, 1000)).toBe(1);
      expect(readRecords(b.lane().records)).toEqual([payload(2, 20)]);
    });

    it("is over once the connection has ended", async () => {
      const [a, b] = await pair(4096);
      post(a.lane(), payload(1, 20));
      await a.connection.close();
      await b.ended();
      expect(b.blocking().drainWait(5, 60_000)).toBe(1);
      expect(b.blocking().drainWait(5, 60_000)).toBe(0);
      expect(b.blocking().sendWait(20, 60_000)).toBe(ENDED);
      expect(a.blocking().drainWait(5, 60_000)).toBe(0);
    });

    it("for a record ends with the time", async () => {
      const [, b] = await pair(4096);
      const before = performance.now();
      expect(b.blocking().drainWait(1, 30)).toBe(0);
      expect(performance.now() - before).toBeGreaterThan(28);
      expect(b.blocking().drainWait(1, 0)).toBe(0);
    });

    it("for room ends with the time", async () => {
      const [a, b] = await pair(4096);
      const sent = fill(a.lane(), 100);
      const before = performance.now();
      expect(a.blocking().sendWait(100, 30)).toBe(FULL);
      expect(performance.now() - before).toBeGreaterThan(28);
      expect(a.blocking().sendWait(100, 0)).toBe(FULL);
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
        const record = payload(i, (i * 37) % a.lane().maxBytes);
        expect(a.blocking(0).sendWait(put(a.lane(0), record), 10_000)).toBe(SENT);
        expect(b.blocking(0).drainWait(1, 10_000)).toBe(1);
        expect(readRecords(b.lane(0).records)[0]?.equals(record)).toBe(true);
        if (i % 100 === 0) post(a.lane(1), payload(i, 5));
      }
      expect(b.log(1).records).toEqual([]);
      await b.received(5, 1);
    });

    it("within a handler hears of the end after the handler has returned", async () => {
      const [a, b] = await pair(4096, 4096);
      let within = -1;
      let count = -1;
      b.log(0).after = () => {
        void a.connection.close();
        count = b.blocking(1).drainWait(1, 10_000);
        within = b.ends.length;
      };
      b.lane(0).wantRecords(true);
      post(a.lane(0), payload(1, 5));
      await b.ended();
      expect([count, within]).toEqual([0, 0]);
    });
  });
}

import { describe, expect, it } from "vitest";
import { ENDED, SENT } from "../../../lib/transport/records/send-status.js";
import {
  differsAt,
  type End,
  fill,
  pack,
  payload,
  post,
  readRecords,
  tryOrWait,
  turns,
  uncaught,
} from "./harness.js";
import type { Pair } from "./suite.js";

/** All that an end has been told, to see that it is told nothing more. */
function told(end: End): unknown {
  return [end.ends.length, end.logs.map((log) => [log.counts.length, log.rooms, log.takens])];
}

export function ends(pair: Pair, tries: boolean): void {
  describe("the end", () => {
    it("comes to the peer as peer-closed, once, after all that was sent before", async () => {
      const [a, b] = await pair(64 * 1024);
      b.lane().wantRecords(true);
      for (let i = 0; i < 100; i++) post(a.lane(), payload(i, 500));
      let before = -1;
      b.afterEnd = () => {
        before = b.log().records.length;
      };
      await a.connection.close();
      await b.ended();
      expect(before).toBe(100);
      expect(
        differsAt(
          b.log().records,
          Array.from({ length: 100 }, (_, i) => payload(i, 500)),
        ),
      ).toBe(-1);
      await turns(3);
      expect(b.ends).toEqual([{ why: "peer-closed", code: undefined }]);
      expect(a.ends).toEqual([]);
    });

    it("is noted once, by whoever knows of it first", async () => {
      const [a, b] = await pair(4096);
      expect([a.connection.ending.reason, b.connection.ending.error]).toEqual([undefined, undefined]);
      void a.connection.close();
      const { ending } = a.connection;
      const { error } = ending;
      expect([ending.reason, ending.failure, error?.code]).toEqual([
        "ended",
        undefined,
        "ERR_RINGBELL_CLOSED",
      ]);
      await b.ended();
      expect([b.connection.ending.reason, b.connection.ending.byPeer]).toEqual(["peer-closed", true]);
      expect(b.connection.ending.error?.code).toBe("ERR_RINGBELL_CLOSED");
      await b.connection.close();
      b.connection.ending.peerDied();
      await turns(3);
      a.connection.destroy();
      expect([ending.reason, ending.error, b.connection.ending.reason]).toEqual([
        "ended",
        error,
        "peer-closed",
      ]);
    });

    it("was decided by a close of this side, whatever becomes of the peer after that", async () => {
      const [a, b] = await pair(4096);
      const closing = a.connection.close();
      b.connection.destroy();
      await closing;
      await turns(3);
      expect([a.connection.ending.reason, a.ends]).toEqual(["ended", []]);
    });

    if (tries) {
      it("is known to a thread that looks, before onEnd comes and without the event loop", async () => {
        const [a, b] = await pair(4096);
        await turns(3);
        void a.connection.close();
        for (const until = performance.now() + 10_000; performance.now() < until; ) {
          tryOrWait(b.lane());
          b.connection.look();
          if (b.connection.ending.reason !== undefined) break;
        }
        expect([b.connection.ending.reason, b.ends]).toEqual(["peer-closed", []]);
        await b.ended();
        expect(b.ends.length).toBe(1);
      });
    }

    it("comes after everything that is wanted, also where much was waiting", async () => {
      const [a, b] = await pair(1024 * 1024, 4096);
      const count = fill(a.lane(0), 4000);
      expect(count * 4000).toBeGreaterThan(768 * 1024);
      b.lane(1).wantRecords(true);
      await a.send(payload(1, 1), 1);
      await b.received(1, 1);
      let before = -1;
      b.afterEnd = () => {
        before = b.log(0).records.length;
      };
      void a.connection.close();
      b.lane(0).wantRecords(true);
      await b.ended();
      expect(before).toBe(count);
    });

    it("leaves what came before it to drain, until close", async () => {
      const [a, b] = await pair(4096, 4096);
      for (let i = 0; i < 6; i++) post(a.lane(0), payload(i, 30));
      await a.connection.close();
      await b.ended();
      expect(b.lane(0).drain(4)).toBe(4);
      expect(readRecords(b.lane(0).records)[3]).toEqual(payload(3, 30));
      expect(b.lane(0).drain(4)).toBe(2);
      expect(readRecords(b.lane(0).records)[1]).toEqual(payload(5, 30));
      expect(b.lane(0).drain(4)).toBe(0);
    });

    it("empties the lanes at close", async () => {
      const [a, b] = await pair(4096);
      post(a.lane(), payload(1, 30));
      await a.connection.close();
      await b.ended();
      await b.connection.close();
      expect(b.lane().drain(4)).toBe(0);
    });

    it("lets nothing out any more, on either side", async () => {
      const [a, b] = await pair(4096);
      await a.connection.close();
      await b.ended();
      for (const end of [a, b]) {
        expect(post(end.lane(), payload(1, 10))).toBe(ENDED);
        pack(end.lane(), [payload(1, 10), payload(2, 10)]);
        expect(end.lane().sendPacked()).toBe(0);
        end.lane().wantRoom();
        end.lane().wantTaken();
        end.lane().wantRecords(true);
      }
      const before = [told(a), told(b)];
      await turns(5);
      expect([told(a), told(b)]).toEqual(before);
    });

    it("calls no handler after close, with records, room and reports on their way", async () => {
      const [a, b] = await pair(4096, 4096);
      fill(a.lane(0), 100);
      a.lane(0).wantRoom();
      a.lane(0).wantTaken();
      b.lane(0).wantRecords(true);
      fill(b.lane(1), 100);
      a.lane(1).wantRecords(true);
      void a.connection.close();
      const before = told(a);
      await b.ended();
      await turns(5);
      expect(told(a)).toEqual(before);
    });

    it("can be made twice, and from both sides at once", async () => {
      const [a, b] = await pair(4096);
      await Promise.all([a.connection.close(), a.connection.close(), b.connection.close()]);
      await a.connection.close();
      await turns(5);
      expect([a.ends, b.ends]).toEqual([[], []]);
    });

    it("can be made in onRecords, and no more records come", async () => {
      const [a, b] = await pair(4096, 4096);
      b.log(0).after = b.log(1).after = () => void b.connection.close();
      b.lane(0).wantRecords(true);
      b.lane(1).wantRecords(true);
      for (let i = 0; i < 10; i++) {
        post(a.lane(0), payload(i, 10));
        post(a.lane(1), payload(i, 10));
      }
      await a.ended();
      expect(a.ends[0]?.why).toBe("peer-closed");
      await turns(3);
      expect(b.log(0).counts.length + b.log(1).counts.length).toBe(1);
      expect(b.ends).toEqual([]);
    });

    it("can be made in onRoom, in onTaken and in onEnd", async () => {
      for (const event of ["room", "taken", "end"] as const) {
        const [a, b] = await pair(4096);
        const close = () => void a.connection.close();
        a.log().after = (happened) => {
          if (happened === event) close();
        };
        a.afterEnd = close;
        if (event === "room") fill(a.lane(), 100);
        if (event === "room") a.lane().wantRoom();
        if (event === "taken") post(a.lane(), payload(1, 10));
        if (event === "taken") a.lane().wantTaken();
        if (event === "end") await b.connection.close();
        else b.lane().wantRecords(true);
        await (event === "end" ? a.ended() : b.ended());
        await turns(3);
        expect([a.log().rooms, a.log().takens, a.ends.length]).toEqual([
          event === "room" ? 1 : 0,
          event === "taken" ? 1 : 0,
          event === "end" ? 1 : 0,
        ]);
      }
    });

    it("comes soon while the peer floods", async () => {
      const [a, b] = await pair(16 * 1024);
      let flooding = true;
      const flood = (async () => {
        for (let i = 0; flooding; i++) if ((await b.send(payload(i, 1000))) === ENDED) break;
      })();
      a.lane().wantRecords(true);
      await a.received(50);
      await a.connection.close();
      const received = a.log().records.length;
      await b.ended();
      flooding = false;
      await flood;
      expect(b.ends).toEqual([{ why: "peer-closed", code: undefined }]);
      expect(a.log().records.length).toBe(received);
    });

    it("after a protocol error tells the peer that it broke the protocol, and leaves it nothing to drain", async () => {
      const [a, b] = await pair(4096);
      post(a.lane(), payload(1, 10));
      a.connection.ending.peerBroke("so the test says");
      await a.connection.close();
      await b.ended();
      expect(b.ends).toEqual([{ why: "protocol-error", code: "ERR_RINGBELL_CORRUPT" }]);
      expect(b.lane().drain(1)).toBe(0);
    });

    it("is not the consequence of an exception in a handler, which reaches the process", async () => {
      const [a, b] = await pair(4096, 4096);
      b.log(0).after = () => {
        if (b.log(0).counts.length === 1) throw new Error("from onRecords");
      };
      a.log(0).after = (event) => {
        throw new Error(`from ${event}`);
      };
      const caught = await uncaught(3, () => {
        b.lane(0).wantRecords(true);
        fill(a.lane(0), 500);
        a.lane(0).wantRoom();
        a.lane(0).wantTaken();
      });
      expect(caught.map((error) => (error as Error).message).sort()).toEqual([
        "from onRecords",
        "from room",
        "from taken",
      ]);
      b.log(0).after = a.log(0).after = undefined;
      const before = b.log(0).records.length;
      expect(await a.send(payload(1, 10))).toBe(SENT);
      await b.received(before + 1);
      const more = await uncaught(1, () => {
        b.afterEnd = () => {
          throw new Error("from onEnd");
        };
        void a.connection.close();
      });
      expect((more[0] as Error).message).toBe("from onEnd");
      await b.connection.close();
    });
  });
}

import { describe, expect, it } from "vitest";
import { connect, listen } from "../../lib/index.js";
import { tryBinding } from "../../lib/native/load.js";
import { scratchDirectory } from "../transport/scratch.js";

async function pair(transport: "shm" | "stream", capacity = 262144) {
  const directory = scratchDirectory();
  const server = await listen("x", { directory, transport, capacity });
  const [a, b] = await Promise.all([connect("x", { directory }), server.accept()]);
  return { a, b, close: () => server.close() };
}

describe("stats() of a lane", () => {
  it.skipIf(tryBinding() === undefined)(
    "tell how long messages waited, on both sides alike, of one for each eighth of the ring where nobody sleeps (S1.36)",
    async () => {
      const { a, b, close } = await pair("shm", 4096);
      expect(a.stats().lanes[0]).toMatchObject({ sendLatency: undefined, receiveLatency: undefined });
      // Records of 16 bytes: 32 of them are an eighth.
      for (let i = 100; i < 420; i++) {
        a.trySend(i);
        expect(b.tryReceive()).toBe(i);
      }
      const { receiveLatency } = b.stats().lanes[0]!;
      // The reports of the receiver come as rarely as the measurements, so that now and then one is left out.
      expect(receiveLatency!.samples).toBeGreaterThan(4);
      expect(receiveLatency!.samples).toBeLessThanOrEqual(11);
      expect(receiveLatency!.p50).toBeGreaterThan(0);
      expect(receiveLatency!.p99).toBeGreaterThanOrEqual(receiveLatency!.p50);
      expect(a.stats().lanes[0]!.sendLatency).toEqual(receiveLatency);
      expect(a.stats().lanes[0]!.receiveLatency).toBeUndefined();
      await a.close();
      expect(b.stats().lanes[0]!.receiveLatency).toEqual(receiveLatency);
      await close();
    },
  );

  it.skipIf(tryBinding() === undefined)("measure each message that wakes the other side", async () => {
    const { a, b, close } = await pair("shm");
    for (let i = 0; i < 5; i++) {
      const got = b.receive();
      // The receiver falls asleep first: its event loop has nothing to do.
      while (b.stats().parks <= i) await new Promise((resolve) => setImmediate(resolve));
      a.trySend(i);
      expect(await got).toBe(i);
    }
    expect(b.stats().lanes[0]!.receiveLatency!.samples).toBe(5);
    await a.close();
    await close();
  });

  it.skipIf(tryBinding() === undefined)(
    "measure messages that wait in a ring that is never empty, too",
    async () => {
      const { a, b, close } = await pair("shm", 4096);
      while (a.trySend("backlog"));
      const begin = performance.now();
      while (performance.now() - begin < 5);
      for (let i = 0; i < 1000; i++) {
        b.tryReceive();
        a.trySend("backlog");
      }
      const { samples, p99 } = b.stats().lanes[0]!.receiveLatency!;
      expect(samples).toBeGreaterThan(5);
      expect(p99).toBeGreaterThan(4000);
      await a.close();
      await close();
    },
  );

  it("have no latency over a stream", async () => {
    const { a, b, close } = await pair("stream");
    await a.send("x");
    expect(await b.receive()).toBe("x");
    expect(b.stats().lanes[0]).toMatchObject({ sendLatency: undefined, receiveLatency: undefined });
    await a.close();
    await close();
  });
});

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { pair, transports } from "../channel/setup.js";

/** Mappings of memory for rings and blocks in this process. */
function mappings(): number {
  return readFileSync("/proc/self/maps", "utf8").match(/memfd:ringbell|\/dev\/shm\/ringbell/g)?.length ?? 0;
}

describe("stats()", () => {
  it("acts on nothing: it maps no segment that the peer has announced, and takes in no returns", async () => {
    const { a, b } = await pair<unknown, unknown>("shm");
    const block = a.tryAllocate(1 << 20)!;
    await a.send({ block });
    const before = mappings();
    expect(b.stats().bulk.heldBytes).toBe(0);
    expect(mappings()).toBe(before);
    const { block: received } = (await b.receive()) as { block: typeof block };
    expect(b.stats().bulk.heldBytes).toBe(1 << 20);
    received.release();
    expect(a.stats().bulk.lentBlocks).toBe(1);
    // An allocation looks for what was returned.
    const again = a.tryAllocate(1 << 20)!;
    expect(a.stats().bulk).toMatchObject({ lentBlocks: 0, ownBlocks: 1, allocatedBytes: 1 << 20 });
    again.release();
  });

  it.each(transports)("changes nothing that it counts over %s, and delivers nothing", async (transport) => {
    const { a, b } = await pair<unknown, unknown>(transport);
    const messages: unknown[] = [];
    await a.send({ block: a.tryAllocate(1000)! });
    for (let i = 0; i < 100; i++) a.trySend(i);
    await new Promise((resolve) => setImmediate(resolve));
    b.on("message", (message) => messages.push(message));
    const [before, beforeOfPeer] = [a.stats(), b.stats()];
    for (let i = 0; i < 100; i++) {
      expect(a.stats()).toEqual(before);
      expect(b.stats()).toEqual(beforeOfPeer);
    }
    expect(messages).toEqual([]);
  });
});

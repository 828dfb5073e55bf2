import { once } from "node:events";
import { json, struct, text, u32 } from "ringbell";
import { describe, expect, it } from "vitest";
import { collect, fill, pair, transports } from "./setup.js";

describe.each(transports)("sending over %s", (transport) => {
  it("carries typed messages both ways, in order", async () => {
    const { a, b } = await pair<{ n: number }>(transport);
    const atB = collect(b, 1000);
    const atA = collect(a, 1000);
    for (let n = 0; n < 1000; n++) {
      await a.send({ n });
      await b.send({ n: n + 5000 });
    }
    expect((await atB).map(({ n }) => n)).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    expect((await atA).map(({ n }) => n)).toEqual(Array.from({ length: 1000 }, (_, n) => n + 5000));
  });

  it("says false when there is no room, queues nothing, and emits drain once there is", async () => {
    const { a, b } = await pair<string>(transport, { codec: text(), capacity: 4096 });
    const sent = fill(a);
    expect(sent).toBeGreaterThan(1);
    expect(a.trySend("one more")).toBe(false);
    let drains = 0;
    a.on("drain", () => drains++);
    const drained = once(a, "drain");
    expect((await collect(b, sent)).length).toBe(sent);
    await drained;
    expect(b.tryReceive()).toBeUndefined();
    expect(a.trySend("after")).toBe(true);
    expect(await b.receive()).toBe("after");
    expect(drains).toBe(1);
  });

  it("keeps the order of sends that wait for room, and trySend does not overtake them", async () => {
    const { a, b } = await pair<string>(transport, { codec: text(), capacity: 4096 });
    const sent = fill(a);
    const waiting = [a.send("first"), a.send("second"), a.send("third")];
    expect(a.trySend("overtaking")).toBe(false);
    expect(a.stats().lanes[0]?.waitingSends).toBe(3);
    const got = await collect(b, sent + 3);
    await Promise.all(waiting);
    expect(got.slice(sent)).toEqual(["first", "second", "third"]);
  });

  it("encodes at once: a message may be changed while it waits", async () => {
    const { a, b } = await pair<{ n: number }>(transport, { capacity: 4096, codec: json() });
    while (a.trySend({ n: 0 }));
    const message = { n: 1 };
    const sending = a.send(message);
    message.n = 2;
    let last = 0;
    while (last === 0) last = (await b.receive()).n;
    await sending;
    expect(last).toBe(1);
  });

  it("takes back a waiting send on abort, and rejects with the reason", async () => {
    const { a, b } = await pair<string>(transport, { codec: text(), capacity: 4096 });
    const sent = fill(a);
    const controller = new AbortController();
    const aborted = a.send("never", { signal: controller.signal });
    const later = a.send("later");
    controller.abort(new Error("changed my mind"));
    await expect(aborted).rejects.toThrow("changed my mind");
    const got = await collect(b, sent + 1);
    await later;
    expect(got.at(-1)).toBe("later");
    await expect(a.send("x", { signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
    await expect(a.flush({ signal: AbortSignal.abort(new Error("flushed")) })).rejects.toThrow("flushed");
  });

  it("sends many in one go, and as many as fit by trySendMany", async () => {
    const { a, b } = await pair<{ n: number }>(transport, { codec: struct({ n: u32 }), capacity: 4096 });
    const messages = Array.from({ length: 20_000 }, (_, n) => ({ n }));
    const got = collect(b, messages.length);
    const first = a.trySendMany(messages);
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(messages.length);
    await a.sendMany(messages.slice(first).values());
    expect((await got).every(({ n }, i) => n === i)).toBe(true);
    expect(a.trySendMany([])).toBe(0);
  });

  it("sends what stands before a bad message of a batch, and throws for the bad one", async () => {
    const { a, b } = await pair<{ n: number }>(transport, { codec: struct({ n: u32 }) });
    await expect(a.sendMany([{ n: 1 }, { n: 2 }, { n: -1 }, { n: 3 }])).rejects.toMatchObject({
      code: "ERR_RINGBELL_ENCODE",
      path: "n",
    });
    await a.send({ n: 4 });
    expect((await collect(b, 3)).map(({ n }) => n)).toEqual([1, 2, 4]);
  });

  it("lets messages through up to what the ring carries where there are no blocks, and refuses longer ones by a typed error", async () => {
    const { a, b } = await pair<string>(transport, { codec: text(), capacity: 65536, maxBulkBytes: 0 });
    const longest = "y".repeat(65536 / 2 - 8);
    await a.send(longest);
    expect(await b.receive()).toBe(longest);
    expect(() => a.trySend(`${longest}y`)).toThrow(
      expect.objectContaining({ code: "ERR_RINGBELL_MESSAGE_TOO_LARGE", limit: 32760 }),
    );
    await expect(a.send(`${longest}y`)).rejects.toMatchObject({ code: "ERR_RINGBELL_MESSAGE_TOO_LARGE" });
    await a.send("still alive");
    expect(await b.receive()).toBe("still alive");
  });

  it("keeps to maxMessageBytes where that is less", async () => {
    const { a } = await pair<string>(transport, { codec: text(), maxMessageBytes: 10 });
    expect(a.trySend("0123456789")).toBe(true);
    expect(() => a.trySend("0123456789a")).toThrow(expect.objectContaining({ limit: 10 }));
  });

  it("sends what waits behind a send that gave up waiting for memory, without waiting for that memory", async () => {
    const { a, b } = await pair<{ block?: unknown; text: string }>(transport, {
      maxBulkBytes: 1024 * 1024,
      capacity: 4096,
    });
    // The peer keeps all the memory there is.
    await a.send({ block: a.tryAllocate(1024 * 1024), text: "keep it" });
    const { block } = (await b.receive()) as { block: { release(): void } };
    const giveUp = new AbortController();
    const long = a.send({ text: "x".repeat(300_000) }, { signal: giveUp.signal });
    const short = a.send({ text: "short" });
    giveUp.abort(new Error("enough"));
    await expect(long).rejects.toThrow("enough");
    await short;
    expect(await b.receive()).toEqual({ text: "short" });
    block.release();
  });

  it("has no size at which it surprises: what the ring does not carry goes by a block", async () => {
    const { a, b } = await pair<string>(transport, {
      codec: text(),
      capacity: 4096,
      maxMessageBytes: 3_000_000,
    });
    for (const length of [2040, 2041, 4096, 65_536, 1_000_000, 3_000_000]) {
      const message = "é".repeat(length / 2).padEnd(length / 2 + (length % 2), "x");
      await a.send(message);
      expect((await b.receive()) === message).toBe(true);
    }
    await expect(a.send("y".repeat(3_000_001))).rejects.toMatchObject({ limit: 3_000_000, bytes: 3_000_001 });
    await a.send("still alive");
    expect(await b.receive()).toBe("still alive");
    await b.send("all released before");
    await a.receive();
    // An allocation looks for what was returned.
    a.tryAllocate(5_000_000)?.release();
    expect(a.stats().bulk).toMatchObject({ ownBlocks: 0, lentBlocks: 0 });
  });

  it("flushes when the peer has taken all, not before", async () => {
    const { a, b } = await pair<string>(transport, { codec: text() });
    for (let i = 0; i < 100; i++) a.trySend("m");
    let flushed = false;
    const flushing = a.flush().then(() => {
      flushed = true;
    });
    // The peer takes all but one; a round over the other direction shows that nothing more is on its way.
    const taken = b.receiveMany(10).length;
    expect(taken).toBeGreaterThan(0);
    b.trySend("go on");
    expect(await a.receive()).toBe("go on");
    const got = collect(b, 100 - taken);
    await got;
    await flushing;
    expect(flushed).toBe(true);
    await a.flush();
  });

  it("flushes waiting sends too, several flushes at once", async () => {
    const { a, b } = await pair<string>(transport, { codec: text(), capacity: 4096 });
    const sent = fill(a);
    const waiting = a.send("last");
    const flushes = Promise.all([a.flush(), a.flush(), a.lane("main").flush()]);
    const got = await collect(b, sent + 1);
    await Promise.all([waiting, flushes]);
    expect(got.at(-1)).toBe("last");
  });

  it("two peers that each write ten times the capacity before reading both finish (S0.23)", async () => {
    const { a, b } = await pair<string>(transport, { codec: text(), capacity: 4096 });
    const message = "z".repeat(500);
    const count = (10 * 4096) / 500;
    const writes: Promise<void>[] = [];
    for (let i = 0; i < count; i++) writes.push(a.send(message), b.send(message));
    const reads = Promise.all([collect(a, Math.ceil(count)), collect(b, Math.ceil(count))]);
    await Promise.all([...writes, reads]);
  });

  it("stalls no lane because another is full", async () => {
    const { a, b } = await pair<unknown>(transport, { capacity: 4096, lanes: { control: {} } });
    fill(a);
    const answer = b.lane<string>("control").receive();
    expect(a.lane("control").trySend("stop")).toBe(true);
    expect(await answer).toBe("stop");
    b.lane("control").trySend("stopped");
    expect(await a.lane("control").receive()).toBe("stopped");
    expect(() => a.lane("nope")).toThrow(expect.objectContaining({ code: "ERR_RINGBELL_UNKNOWN_LANE" }));
  });

  it("has its lanes beside main by name, and nothing else there", async () => {
    const { a, b } = await pair<unknown>(transport, { lanes: { control: {}, constructor: {} } });
    expect(Object.keys(a.lanes)).toEqual(["control", "constructor"]);
    expect(a.lanes.control).toBe(a.lane("control"));
    expect(a.lane("main")).toBe(a);
    expect(["main", "toString", "nope"].map((name) => b.lanes[name])).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(() => b.lane("toString")).toThrow(/this channel has main, control, constructor/);
  });
});

import { once } from "node:events";
import { bytes, type Codec, json } from "ringbell";
import { describe, expect, it } from "vitest";
import { collect, pair, transports } from "./setup.js";

describe.each(transports)("receiving over %s", (transport) => {
  it("gives undefined where there is nothing", async () => {
    const { a, b } = await pair<number>(transport);
    expect(a.tryReceive()).toBeUndefined();
    expect(a.receiveMany(10)).toEqual([]);
    if (transport === "stream") return;
    expect(a.receiveSync({ timeout: 5 })).toBeUndefined();
    expect(a.receiveManySync(10, { timeout: 5 })).toEqual([]);
    b.trySend(1);
    expect(a.receiveSync({ timeout: 5000 })).toBe(1);
  });

  it("serves several receives in order, and takes one back on abort", async () => {
    const { a, b } = await pair<number>(transport);
    const controller = new AbortController();
    const first = a.receive();
    const second = a.receive({ signal: controller.signal });
    const third = a.receive();
    controller.abort(new Error("no more"));
    await expect(second).rejects.toThrow("no more");
    b.trySend(1);
    b.trySend(2);
    expect(await first).toBe(1);
    expect(await third).toBe(2);
  });

  it("iterates, and what was not taken when the loop is left can be had afterwards", async () => {
    const { a, b } = await pair<number>(transport);
    for (let i = 0; i < 10; i++) b.trySend(i);
    const got: number[] = [];
    for await (const n of a) {
      got.push(n);
      if (n === 4) break;
    }
    expect(got).toEqual([0, 1, 2, 3, 4]);
    expect(await a.receive()).toBe(5);
    expect([await a.receive(), await a.receive()]).toEqual([6, 7]);
    for await (const n of a) {
      got.push(n);
      if (n === 9) break;
    }
    expect(got).toEqual([0, 1, 2, 3, 4, 8, 9]);
  });

  it("ends a loop that waits when another leaves it by return()", async () => {
    const { a } = await pair<number>(transport);
    const loop = a[Symbol.asyncIterator]();
    const waiting = loop.next();
    await loop.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(a.tryReceive()).toBeUndefined();
  });

  it("has one consumer at a time; a second is an error that names the first", async () => {
    const { a } = await pair<number>(transport);
    const busy = expect.objectContaining({ code: "ERR_RINGBELL_CONSUMER_BUSY" });
    const listener = () => {};
    a.on("message", listener);
    expect(() => a.on("message", () => {})).toThrow(busy);
    expect(() => a.tryReceive()).toThrow('a "message" listener');
    if (transport === "shm") expect(() => a.receiveSync()).toThrow(busy);
    expect(() => a[Symbol.asyncIterator]()).toThrow(busy);
    await expect(a.receive()).rejects.toEqual(busy);
    a.off("message", listener);
    const loop = a[Symbol.asyncIterator]();
    expect(() => a.on("message", listener)).toThrow("for await");
    expect(a.listenerCount("message")).toBe(0);
    await loop.return?.();
    const receiving = a.receive();
    expect(() => a.receiveMany(1)).toThrow("receive() that is waiting");
    a.destroy();
    await expect(receiving).rejects.toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
  });

  it("gives a once-listener one message and keeps the rest", async () => {
    const { a, b } = await pair<number>(transport);
    b.trySend(1);
    b.trySend(2);
    expect(await once(a, "message")).toEqual([1]);
    expect(await a.receive()).toBe(2);
  });

  it("throws for a bad message from the call that asked for it, and goes on after it (S0.45)", async () => {
    const { a, b } = await pair<unknown>(transport, { codec: forged() }, { codec: forged() });
    const bad = expect.objectContaining({ code: "ERR_RINGBELL_DECODE" });
    for (const message of ["{", "1", "{", "2", "{", "3"]) b.trySend(message);
    // The stream gathers what is sent in one turn.
    await new Promise((resolve) => setImmediate(resolve));
    if (transport === "shm") expect(() => a.receiveSync({ timeout: 1000 })).toThrow(bad);
    else await expect(a.receive()).rejects.toEqual(bad);
    expect(a.tryReceive()).toBe(1);
    await expect(a.receive()).rejects.toEqual(bad);
    expect(await a.receive()).toBe(2);
    const errors: unknown[] = [];
    a.on("error", (error) => errors.push(error));
    expect(await collect(a, 1)).toEqual([3]);
    expect(errors).toEqual([bad]);
    for (const message of ["{", "4", "{", "5"]) b.trySend(message);
    await new Promise((resolve) => setImmediate(resolve));
    expect(a.receiveMany(10)).toEqual([4, 5]);
    for (const message of ["{", "6"]) b.trySend(message);
    for await (const n of a) {
      expect(n).toBe(6);
      break;
    }
    expect(errors.length).toBe(4);
    expect(a.stats().lanes[0]?.badMessages).toBe(6);
    expect(a.state).toBe("open");
  });

  it("warns once a channel where nobody listens for errors", async () => {
    const { a, b } = await pair<unknown>(transport, { codec: forged() }, { codec: forged() });
    const warning = once(process, "warning");
    for (const message of ["{", "{", "1"]) b.trySend(message);
    expect(await collect(a, 1)).toEqual([1]);
    const [{ name, message }] = (await warning) as [Error];
    expect(name).toBe("RingbellWarning");
    expect(message).toContain("was skipped");
  });

  it("goes on after a listener has thrown, and loses nothing", async () => {
    const { a, b } = await pair<number>(transport);
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    const caught: unknown[] = [];
    const got: number[] = [];
    try {
      const all = new Promise<void>((resolve) => {
        process.on("uncaughtException", (error) => void caught.push(error));
        a.on("message", (n) => {
          got.push(n);
          if (got.length === 20) resolve();
          if (n % 5 === 0) throw new Error(`at ${n}`);
        });
      });
      for (let n = 0; n < 20; n++) b.trySend(n);
      await all;
      // The last ones are thrown in this turn.
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.removeAllListeners("uncaughtException");
      for (const listener of others) process.on("uncaughtException", listener);
    }
    expect(got).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect(caught.length).toBe(4);
  });

  it("gives timers their turn while messages are slow to handle (S1.10)", async () => {
    const { a, b } = await pair<number>(transport);
    for (let n = 0; n < 200; n++) b.trySend(n);
    let handled = 0;
    let handledAtTimer = -1;
    const done = new Promise<void>((resolve) => {
      a.on("message", () => {
        const until = performance.now() + 2;
        while (performance.now() < until);
        if (++handled === 1) setTimeout(() => (handledAtTimer = handled), 1);
        if (handled === 200) resolve();
      });
    });
    await done;
    expect(handledAtTimer).toBeGreaterThan(0);
    expect(handledAtTimer).toBeLessThan(20);
  });

  it("carries bytes of every length up to the limit", async () => {
    const { a, b } = await pair<Uint8Array>(transport, { codec: bytes(), capacity: 8192 });
    for (let length = 0; length <= 8192 / 2 - 8; length += 97) {
      const message = new Uint8Array(length).fill(length & 255);
      await a.send(message);
      expect(Buffer.compare(await b.receive(), message)).toBe(0);
      if (transport === "stream") continue;
      expect(a.sendSync(message, { timeout: 5000 })).toBe(true);
      expect(Buffer.compare(b.receiveSync({ timeout: 5000 })!, message)).toBe(0);
    }
  });
});

/** JSON that is written as it is given, so that it can be bad. */
function forged(): Codec<unknown, unknown> {
  const parse = json();
  return {
    name: "forged",
    fingerprint: "forged",
    encode: (message, scratch, offset) => scratch.buffer.write(String(message), offset),
    decode: (scratch, offset, length, blocks) => parse.decode(scratch, offset, length, blocks),
  };
}

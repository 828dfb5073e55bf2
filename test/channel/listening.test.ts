import { once } from "node:events";
import type { Codec } from "ringbell";
import { describe, expect, it } from "vitest";
import { pair, type TransportName } from "./setup.js";

const transports: readonly TransportName[] = ["shm", "stream"];

/** A channel whose peer has sent "m1" and "m2" and closed, which it knows; nobody has taken anything. */
async function afterTheEnd(transport: TransportName) {
  const { a, b } = await pair<string>(transport);
  await a.send("m1");
  await a.send("m2");
  const ended = new Promise((resolve) => {
    const look = () => (b.state === "closed" ? setImmediate(resolve) : setImmediate(look));
    look();
  });
  await a.close();
  await ended;
  return b;
}

describe.each(transports)(
  "listeners over %s that are attached after the peer has sent and left",
  (transport) => {
    it("get the messages, and then the close", async () => {
      const b = await afterTheEnd(transport);
      const events: string[] = [];
      b.on("message", (message) => events.push(message));
      b.on("close", (reason) => events.push(reason));
      await b.closed;
      expect(events).toEqual(["m1", "m2", "peer-closed"]);
    });

    it("get them in this order whichever is attached first", async () => {
      const b = await afterTheEnd(transport);
      const events: string[] = [];
      const told = once(b, "close");
      b.on("close", (reason) => events.push(reason));
      b.on("message", (message) => events.push(message));
      expect(await told).toEqual(["peer-closed", undefined]);
      expect(events.slice(0, 2)).toEqual(["m1", "m2"]);
      await new Promise((resolve) => setImmediate(resolve));
      expect(events).toEqual(["m1", "m2", "peer-closed"]);
    });

    it("get the close where they take no messages, and each of them once", async () => {
      const b = await afterTheEnd(transport);
      const reasons: string[] = [];
      const [first, second] = [
        (reason: string) => reasons.push(reason),
        (reason: string) => reasons.push(reason),
      ];
      b.on("close", first);
      b.once("close", second);
      const gone = () => reasons.push("taken off");
      b.on("close", gone);
      b.off("close", gone);
      await b.closed;
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
      expect(reasons).toEqual(["peer-closed", "peer-closed"]);
      expect(b.tryReceive()).toBe("m1");
    });

    it("hear by `closed` of the end when a listener has got the messages", async () => {
      const b = await afterTheEnd(transport);
      const events: string[] = [];
      const closed = b.closed.then(({ reason }) => events.push(reason));
      b.on("message", (message) => events.push(message));
      await closed;
      expect(events).toEqual(["m1", "m2", "peer-closed"]);
    });
  },
);

describe.each(transports)("listeners for bad messages over %s", (transport) => {
  /** Sends the text as it is, which need not be JSON. */
  const forged: Codec<string, unknown> = {
    name: "forged",
    fingerprint: "forged",
    encode: (message, scratch, offset) => scratch.buffer.write(message, offset),
    decode: (scratch, offset, length) => JSON.parse(scratch.buffer.toString("utf8", offset, offset + length)),
  };

  it.each([
    ["message", "error"],
    ["error", "message"],
  ])(
    "hear of those that came before the peer left, if %s and then %s are attached late",
    async (...order) => {
      const { a, b } = await pair<string, unknown>(transport, { codec: forged }, { codec: forged as never });
      for (const message of ["{", "1", "{", "2"]) await a.send(message);
      const ended = new Promise((resolve) => {
        const look = () => (b.state === "closed" ? setImmediate(resolve) : setImmediate(look));
        look();
      });
      await a.close();
      await ended;
      const events: unknown[] = [];
      for (const event of order) {
        b.on(event as "message", (what: unknown) => {
          events.push(what instanceof Error ? "bad" : what);
        });
      }
      b.on("close", (reason) => events.push(reason));
      await b.closed;
      expect(events).toEqual(["bad", 1, "bad", 2, "peer-closed"]);
    },
  );
});

describe.each(transports)("drainMicrotasks over %s", (transport) => {
  /** The notes of a listener that notes each message only after some promises. */
  async function notes(drain: boolean): Promise<string[]> {
    const { a, b } = await pair<number>(transport);
    b.drainMicrotasks = drain;
    const seen: string[] = [];
    let done: () => void;
    const all = new Promise<void>((resolve) => {
      done = resolve;
    });
    a.trySendMany([1, 2, 3]);
    b.on("message", async (message) => {
      seen.push(`${message} begins`);
      for (let i = 0; i < 5; i++) await undefined;
      seen.push(`${message} ends`);
      if (message === 3) done();
    });
    await all;
    return seen;
  }

  it("lets promises, and those that wait for them, run between two messages of a batch", async () => {
    expect(await notes(true)).toEqual(
      [1, 2, 3].flatMap((message) => [`${message} begins`, `${message} ends`]),
    );
  });

  it("is off by default: a batch is given to the listener at once", async () => {
    expect((await notes(false)).slice(0, 3)).toEqual(["1 begins", "2 begins", "3 begins"]);
  });

  it("leaves timers their turn, and keeps every message in order", async () => {
    const { a, b } = await pair<number>(transport, { capacity: 1 << 20 });
    b.drainMicrotasks = true;
    const count = 20_000;
    const received: number[] = [];
    let timers = 0;
    const timer = setInterval(() => timers++, 1);
    const all = new Promise<void>((resolve) => {
      b.on("message", (message) => {
        received.push(message);
        if (received.length === count) resolve();
      });
    });
    await a.sendMany(Array.from({ length: count }, (_, i) => i));
    await all;
    clearInterval(timer);
    expect(received).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(timers).toBeGreaterThan(0);
  });

  it("takes true or false", async () => {
    const { a } = await pair(transport);
    expect(a.drainMicrotasks).toBe(false);
    expect(() => {
      a.drainMicrotasks = 1 as never;
    }).toThrow(expect.objectContaining({ code: "ERR_RINGBELL_INVALID_ARGUMENT" }));
  });
});

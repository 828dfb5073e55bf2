import { setTimeout as delay } from "node:timers/promises";
import { bytes, type Channel } from "ringbell";
import { describe, expect, it } from "vitest";
import { pair, peer, reported, transports } from "./setup.js";

/** Some time (ms): the event loop of a busy machine is late by less. */
const LATER = 500;

type Takes = (channel: Channel<unknown, unknown>) => Promise<unknown> | unknown;

/** Ways of taking one message, after which nobody takes any. */
const ways: Record<string, Takes> = {
  receive: (channel) => channel.receive(),
  "receive that gave up": async (channel) => {
    await channel.receive();
    await channel.receive({ timeout: 1 }).catch(() => {});
  },
  once: (channel) => new Promise((resolve) => channel.once("message", resolve)),
  "on and off": (channel) =>
    new Promise<void>((resolve) => {
      const listener = () => {
        channel.off("message", listener);
        resolve();
      };
      channel.on("message", listener);
    }),
  "off while asleep": async (channel) => {
    const listener = () => {};
    channel.on("message", listener);
    await idle(channel);
    channel.off("message", listener);
  },
  "a loop that was left": async (channel) => {
    for await (const _ of channel) break;
  },
  readable: async (channel) => {
    const reader = channel.readable.getReader();
    await reader.read();
    await reader.cancel();
  },
  tryReceive: async (channel) => {
    while (channel.tryReceive() === undefined) await new Promise(setImmediate);
  },
  receiveMany: async (channel) => {
    while (channel.receiveMany(1).length === 0) await new Promise(setImmediate);
  },
};
const blockingWays: Record<string, Takes> = {
  receiveSync: (channel) => channel.receiveSync(),
  receiveManySync: (channel) => channel.receiveManySync(10),
};

const laneOf = (channel: Channel<unknown, unknown>) => channel.stats().lanes[0]!;

async function idle(channel: Channel<unknown, unknown>): Promise<number> {
  for (;;) {
    const { idleSince, receivedMessages } = laneOf(channel);
    if (receivedMessages > 0 && idleSince !== undefined) return idleSince;
    await new Promise(setImmediate);
  }
}

describe.each(transports)("%s: a lane that nobody reads any more", (transport) => {
  const all = { ...ways, ...(transport === "shm" ? blockingWays : {}) };
  it.each(Object.keys(all))("says since when, after %s, also when messages come", async (way) => {
    const { a, b } = await pair<unknown>(transport, { codec: bytes() as never });
    const before = Date.now();
    await a.send(Buffer.alloc(100));
    await all[way]!(b);
    const taken = Date.now();
    // Some time later, a look says when that was, and not when it was asked first.
    await delay(LATER);
    const since = await idle(b);
    expect(since).toBeGreaterThanOrEqual(before - 1);
    expect(since).toBeLessThan(taken + LATER);
    await a.sendMany([Buffer.alloc(100), Buffer.alloc(100)]);
    while (laneOf(b).receiveFill < 2 * 112) await new Promise(setImmediate);
    expect(await idle(b)).toBeLessThanOrEqual(Date.now() + 1);
    expect(laneOf(b).receiveFill).toBe(2 * 112);
  });

  it("says since when also in a process without the watchdog, at the first look", async () => {
    const { child } = await peer(
      transport,
      `const { setTimeout: sleep } = await import("node:timers/promises");
      while (channel.tryReceive() === undefined) await sleep(1);
      const taken = Date.now();
      await sleep(1500);
      report(String(channel.stats().lanes[0].idleSince - taken));`,
      {},
      { RINGBELL_WATCHDOG: "" },
    ).then(async (one) => {
      await one.channel.send("a message");
      return one;
    });
    expect(Number(await reported(child))).toBeLessThan(1000);
  });

  it("counts what it drained and did not take as unread", async () => {
    const { a, b } = await pair<unknown>(transport, { codec: bytes() as never });
    await a.sendMany(Array.from({ length: 10 }, () => Buffer.alloc(100)));
    await b.receive();
    while (laneOf(b).receiveFill !== 9 * 112) await new Promise(setImmediate);
    expect(await idle(b)).toBeLessThanOrEqual(Date.now() + 1);
  });

  it("counts from the message that was taken last, though it came with others long before", async () => {
    const { a, b } = await pair<unknown>(transport, { codec: bytes() as never });
    await a.sendMany([Buffer.alloc(100), Buffer.alloc(100)]);
    await b.receive();
    await delay(LATER);
    const before = Date.now();
    await b.receive();
    expect(await idle(b)).toBeGreaterThanOrEqual(before - 1);
  });
});

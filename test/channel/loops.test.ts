import { connect, endpoints, health, listen, sweep } from "ringbell";
import { describe, expect, it } from "vitest";
import { pair, peer, privateDirectory, TAKES_ALL, TAKES_ALL_BLOCKING, transports } from "./setup.js";

/** Awaits the call in a loop until a timer and an immediate have run twice, which they do only if the event loop turns. */
async function turnsWhile(call: () => Promise<unknown>): Promise<void> {
  let timers = 0;
  let immediates = 0;
  const again = () => {
    if (++immediates < 2) setImmediate(again);
  };
  setImmediate(again);
  const timer = setInterval(() => timers++, 1);
  // The test's own time-out can't end it: that is a timer as well.
  const end = performance.now() + 10_000;
  while ((timers < 2 || immediates < 2) && performance.now() < end) await call().catch(() => {});
  clearInterval(timer);
  expect([timers >= 2, immediates >= 2]).toEqual([true, true]);
}

describe("the event loop turns while a program awaits in a loop", () => {
  const directory = privateDirectory();
  const calls: Record<string, () => Promise<unknown>> = {
    "listen and close": async () => (await listen("one", { directory })).close(),
    "connect to nobody, without retry": () => connect("nobody", { directory, retry: false }),
    sweep: () => sweep({ directory }),
    health: () => health("nobody", { directory }),
    endpoints: () => endpoints({ directory }),
  };
  it.each(Object.entries(calls))("%s", (_, call) => turnsWhile(call));

  it("a listen that is refused", async () => {
    const server = await listen("taken", { directory });
    await turnsWhile(() => listen("taken", { directory }));
    await server.close();
  });
});

describe.each(transports)("%s: the event loop turns while a program awaits in a loop", (transport) => {
  it("allocate and release, and an allocate that is refused", async () => {
    const { a } = await pair(transport);
    await turnsWhile(async () => (await a.allocate(1000)).release());
    await turnsWhile(() => a.allocate(-1));
    await turnsWhile(() => a.allocate(2 ** 40));
  });

  it("sends to a peer that keeps up", async () => {
    const { channel } = await peer(transport, transport === "shm" ? TAKES_ALL_BLOCKING : TAKES_ALL);
    await turnsWhile(() => channel.send("x"));
    await turnsWhile(() => channel.sendMany([1, 2, 3]));
    await turnsWhile(() => channel.sendMany(Array.from({ length: 50 }, () => "x".repeat(1000))));
  });
});

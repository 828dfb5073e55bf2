import { chmodSync } from "node:fs";
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
  const calls: Record<string, (directory: string) => Promise<unknown>> = {
    "connect to nobody, without retry": (directory) => connect("nobody", { directory, retry: false }),
    sweep: (directory) => sweep({ directory }),
    health: (directory) => health("nobody", { directory }),
    endpoints: (directory) => endpoints({ directory }),
  };
  it.each(Object.entries(calls))("%s", async (_, call) => {
    const directory = privateDirectory();
    await turnsWhile(() => call(directory));
  });

  it.each(Object.entries(calls))("%s, refused because everybody may write there", async (_, call) => {
    const directory = privateDirectory();
    chmodSync(directory, 0o777);
    await expect(call(directory)).rejects.toMatchObject({ code: "ERR_RINGBELL_ACCESS" });
    await turnsWhile(() => call(directory));
  });

  it("listen and close, and a listen that is refused", async () => {
    const directory = privateDirectory();
    await turnsWhile(async () => (await listen("one", { directory })).close());
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

  it("calls that are refused at once", async () => {
    const { server, a, b } = await pair(transport);
    const aborted = { signal: AbortSignal.abort() };
    await turnsWhile(() => a.send(() => {}));
    await turnsWhile(() => a.send("x", aborted));
    await turnsWhile(() => a.receive(aborted));
    await turnsWhile(() => a.flush(aborted));
    await turnsWhile(() => server.accept(aborted));
    await turnsWhile(() => server.rebind());
    await server.close();
    await b.closed;
    await turnsWhile(() => server.accept());
    await turnsWhile(() => server.rebind());
    for (const channel of [a, b]) {
      await turnsWhile(() => channel.send("x"));
      await turnsWhile(() => channel.sendMany(["x"]));
      await turnsWhile(() => channel.receive());
      await turnsWhile(() => channel.flush());
      await turnsWhile(() => channel.allocate(10));
    }
  });

  it.runIf(transport === "shm")("sends that always find room, because all is taken at once", async () => {
    const { a, b } = await pair(transport);
    const taking = async (count: number, sent: Promise<void>) => {
      await sent;
      expect(b.receiveMany(count).length).toBe(count);
    };
    await turnsWhile(() => taking(1, a.send("x")));
    await turnsWhile(() => taking(3, a.sendMany([1, 2, 3])));
    await turnsWhile(() => taking(50, a.sendMany(Array.from({ length: 50 }, () => "x"))));
  });

  it("sends to a peer that keeps up", async () => {
    const { channel } = await peer(transport, transport === "shm" ? TAKES_ALL_BLOCKING : TAKES_ALL);
    await turnsWhile(() => channel.send("x"));
    await turnsWhile(() => channel.sendMany([1, 2, 3]));
    await turnsWhile(() => channel.sendMany(Array.from({ length: 50 }, () => "x".repeat(1000))));
  });
});

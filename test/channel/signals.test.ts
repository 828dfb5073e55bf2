import { getEventListeners, once } from "node:events";
import { type Block, bytes, connect, listen, memoryPair } from "ringbell";
import { describe, expect, it } from "vitest";
import { fill, pair, privateDirectory, transports } from "./setup.js";

const MANY = 30;
const each = <T>(make: (n: number) => T): T[] => Array.from({ length: MANY }, (_, n) => make(n));
const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

describe.each(transports)("%s: one signal for many calls that wait", (transport) => {
  it.each(["aborted", "not needed"])("has one listener while they wait, and none after: %s", async (how) => {
    const warnings: string[] = [];
    const warn = (warning: Error) => warnings.push(warning.message);
    process.on("warning", warn);
    const { a, b, server } = await pair<unknown>(transport, { capacity: 4096, maxBulkBytes: 4096 });
    const directory = privateDirectory();
    const controller = new AbortController();
    const { signal } = controller;
    const sent = fill(a);
    const blocks: Block[] = [];
    for (let one = b.tryAllocate(4096); one !== undefined; one = b.tryAllocate(4096)) blocks.push(one);
    const calls = [
      ...each((n) => a.send(n, { signal })),
      ...each((n) => a.send(n, { signal, timeout: 60_000 })),
      ...each(() => a.flush({ signal })),
      ...each(() => a.receive({ signal })),
      ...each(() => b.allocate(4096, { signal }).then((one) => one.release())),
      ...each(() => server.accept({ signal })),
      ...each(() => connect("nobody", { directory, signal, retry: { attempts: 1e6, maxTotal: 60_000 } })),
    ];
    const servers = await Promise.all(each((n) => listen(`s${n}`, { directory, signal })));
    await new Promise(setImmediate);
    expect(listeners(signal)).toBe(1);
    const settled = Promise.allSettled(calls);
    const closed = servers.map((one) => once(one, "close"));
    if (how === "aborted") {
      controller.abort(new Error("no more"));
      for (const [index, call] of (await settled).entries()) {
        expect([index, (call as PromiseRejectedResult).reason]).toEqual([index, signal.reason]);
      }
    } else {
      for (let n = 0; n < sent + 2 * MANY; n++) await b.receive();
      await b.sendMany(each((n) => n));
      for (const block of blocks) block.release();
      await Promise.all(calls.slice(0, 5 * MANY));
      const others = await Promise.all(each(() => connect(server.path)));
      await listen("nobody", { directory }).then(async (nobody) => {
        await Promise.all(calls);
        await Promise.all(servers.map((one) => one.close()));
        await nobody.close();
      });
      await Promise.all(others.map((one) => one.close()));
    }
    await Promise.all(closed);
    expect(listeners(signal)).toBe(0);
    process.off("warning", warn);
    expect(warnings.filter((text) => text.includes("abort listeners"))).toEqual([]);
  });
});

describe("one signal for many byte streams", () => {
  it("has one listener, destroys each, and has none when they have ended", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const streams = each(() => memoryPair({ codec: bytes() })[0].toDuplex({ signal }));
    expect(listeners(signal)).toBe(1);
    streams[0]!.destroy();
    await once(streams[0]!, "close");
    expect(listeners(signal)).toBe(1);
    const ends = streams.slice(1).map((stream) => once(stream, "error"));
    controller.abort(new Error("no more"));
    for (const [error] of await Promise.all(ends)) {
      expect(error).toMatchObject({ name: "AbortError", code: "ABORT_ERR", cause: signal.reason });
    }
    expect(listeners(signal)).toBe(0);
    const late = memoryPair({ codec: bytes() })[0].toDuplex({ signal });
    await once(late, "error");
    expect(listeners(signal)).toBe(0);
  });
});

describe.each(transports)("%s: by the time that close resolves", (transport) => {
  it.each(["a", "b"] as const)(
    "the close event has come, and the server has let go: %s closes",
    async (side) => {
      const both = await pair<unknown>(transport, { lanes: { more: {} } } as never);
      const channel = both[side];
      const events: string[] = [];
      channel.on("close", () => events.push("main"));
      channel.lane("more").on("close", () => events.push("more"));
      void channel.closed.then(() => events.push("closed"));
      await channel.close();
      expect(events.sort()).toEqual(["closed", "main", "more"]);
      if (side === "a") expect(both.server.channels.size).toBe(0);
    },
  );

  it("so it is for a server, and for a channel that the peer closed with messages left", async () => {
    const { a, b, server } = await pair<unknown>(transport);
    const events: string[] = [];
    a.on("close", (reason) => events.push(reason));
    a.on("message", () => {});
    await b.sendMany(each((n) => n));
    await b.close();
    await a.close();
    expect(events.length).toBe(1);
    const second = await connect(server.path);
    const ours = await server.accept();
    ours.on("close", () => events.push("second"));
    await server.close();
    expect(events.length).toBe(2);
    expect(server.channels.size).toBe(0);
    await second.close();
  });
});

import { setImmediate as turn } from "node:timers/promises";
import { connect, json } from "ringbell";
import { type Call, contract, open, request, stream } from "ringbell/rpc";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { CancelCells } from "../../lib/rpc/cells.js";
import { child, ending, program, serving, until } from "./setup.js";

const work = contract("work", {
  compute: request(z.object({ ms: z.number() }), z.number(), { progress: z.number() }),
  slices: request(z.object({ ms: z.number() }), z.number(), { progress: z.number() }),
  count: stream(z.object({ ms: z.number() }), z.number()),
  echo: request(z.unknown(), z.unknown()),
});

/**
 * `compute` computes without a turn of the event loop, and says that it has begun, when it has ended, and how. `slices` takes turns.
 */
const HANDLERS = `{
  compute({ ms }, call) {
    const end = performance.now() + ms;
    void call.progress(0);
    while (performance.now() < end && !call.cancelled);
    report("compute " + (call.cancelled ? "cancelled " : "done ") + Date.now());
    if (call.cancelled && ms === 10001) throw new Error("cancelled");
    return ms;
  },
  async slices({ ms }, call) {
    const end = performance.now() + ms;
    void call.progress(0);
    while (performance.now() < end && !call.cancelled) await turn();
    report("slices " + (call.cancelled ? "cancelled " : "done ") + Date.now());
    return ms;
  },
  async *count({ ms }, call) {
    yield 1;
    const end = performance.now() + ms;
    // The item goes out when the loop turns.
    await turn();
    await turn();
    while (performance.now() < end && !call.cancelled);
    report("count " + (call.cancelled ? "cancelled " : "done ") + Date.now());
  },
  echo: (params) => params,
}`;

const OPTIONS = `onError: (error) => report("error " + error.message)`;

/** Waits for a line that begins so; returns its last word as a number. */
async function ended({ lines }: { lines: readonly string[] }, what: string): Promise<number> {
  await until(() => lines.some((line) => line.startsWith(what)));
  return Number(
    lines
      .find((line) => line.startsWith(what))!
      .split(" ")
      .at(-1),
  );
}

describe("a cancel by cells", () => {
  it("stops a handler that computes in a loop, within 100 ms", async () => {
    const service = await child("shm", work, HANDLERS, OPTIONS);
    const controller = new AbortController();
    let at = 0;
    const onProgress = () => {
      at = Date.now();
      controller.abort();
    };
    const computing = service.client.compute({ ms: 10_000 }, { signal: controller.signal, onProgress });
    await expect(computing).rejects.toMatchObject({ name: "AbortError" });
    expect((await ended(service, "compute cancelled")) - at).toBeLessThan(100);
    // The answer was silent, and the service goes on.
    expect(await service.client.echo({ a: 1 })).toEqual({ a: 1 });
  });

  it("stops a generator that computes when its reader leaves", async () => {
    const service = await child("shm", work, HANDLERS, OPTIONS);
    let at = 0;
    for await (const _ of service.client.count({ ms: 10_000 })) {
      at = Date.now();
      break;
    }
    expect((await ended(service, "count cancelled")) - at).toBeLessThan(100);
  });

  it("is seen over a stream as soon as the handler's loop turns", async () => {
    const service = await child("stream", work, HANDLERS, OPTIONS);
    const controller = new AbortController();
    const onProgress = () => controller.abort();
    const options = { signal: controller.signal, onProgress };
    await expect(service.client.slices({ ms: 10_000 }, options)).rejects.toMatchObject({
      name: "AbortError",
    });
    await ended(service, "slices cancelled");
  });

  it("does not report what a handler throws because of it", async () => {
    const service = await child("shm", work, HANDLERS, OPTIONS);
    const controller = new AbortController();
    const options = { signal: controller.signal, onProgress: () => controller.abort() };
    await service.client.compute({ ms: 10_001 }, options).catch(() => {});
    await ended(service, "compute cancelled");
    expect(await service.client.echo([1])).toEqual([1]);
    expect(service.lines.filter((line) => line.startsWith("error"))).toEqual([]);
  });

  it("hits no call but its own, however many have used the cell before", async () => {
    const { client } = await serving("shm", work, {
      compute: () => 0,
      slices: async (_, call) => {
        await turn();
        return call.cancelled ? 1 : 0;
      },
      count: () => [],
      echo: async (params, call) => {
        await turn();
        return [params, call.cancelled];
      },
    });
    for (let i = 0; i < 2000; i++) {
      const controller = new AbortController();
      const gone = client.slices({ ms: 0 }, { signal: controller.signal });
      const stays = client.echo({ i });
      controller.abort();
      await expect(gone).rejects.toMatchObject({ name: "AbortError" });
      expect(await stays).toEqual([{ i }, false]);
    }
  });

  it("of a peer that scribbles over its cells ends its own calls, and no others", async () => {
    const service = await child("shm", work, HANDLERS, OPTIONS);
    const { directory } = service;
    // The peer makes a call like any other, and sets all its cells all the time, to every id that is in use.
    const peer = program(
      `const channel = await ringbell.connect("work", { directory });
       const { cells } = channel;
       channel.on("message", () => {});
       report("connected");
       for (let n = 0; ; n++) {
         if (n % 1000 === 0) {
           channel.trySend({ jsonrpc: "2.0", id: n, method: "echo", params: { n } });
           await turn();
         }
         for (let i = 0; i < cells.length; i++) cells.set(i, n % 2 ? Math.floor(Math.random() * 2 ** 32) : i + cells.length * (n % 4));
       }`,
      directory,
    );
    await peer.said("connected");
    const other = ending(await open(work, { directory }));
    for (let i = 0; i < 300; i++) {
      expect(await other.echo({ i })).toEqual({ i });
      if (i % 50 === 0) expect(await other.compute({ ms: 5 })).toBe(5);
    }
    expect(service.lines.filter((line) => /cancelled|error/.test(line))).toEqual([]);
    // It is answered on, too.
    peer.child.kill("SIGKILL");
    expect(await other.compute({ ms: 1 })).toBe(1);
  });

  it("is no cancel for ids of another kind, which have no cell", async () => {
    const calls: Call[] = [];
    const { directory } = await serving("shm", work, {
      compute: () => 0,
      slices: () => 0,
      count: () => [],
      echo: (params, call) => {
        calls.push(call);
        return params;
      },
    });
    const channel = ending(await connect("work", { directory: directory!, codec: json() }));
    for (let i = 0; i < channel.cells!.length; i++) channel.cells!.set(i, 0);
    for (const id of ["1", null, 0, -1, 1.5, 2 ** 32, 2 ** 60]) {
      await channel.send({ jsonrpc: "2.0", id, method: "echo", params: [] });
      expect(await channel.receive()).toEqual({ jsonrpc: "2.0", id, result: [] });
    }
    expect(calls.length).toBe(7);
  });

  it("is told by the newest of two ids in one cell", () => {
    const values = [0, 0, 0, 0];
    const ours = new CancelCells({
      length: 4,
      set: (index, value) => {
        values[index] = value;
      },
      get: (index) => values[index]!,
    });
    ours.cancel(1);
    ours.cancel(6);
    expect([1, 2, 5, 6].map((id) => ours.isCancelled(id))).toEqual([true, false, false, true]);
    ours.cancel(5);
    expect([1, 5, 6].map((id) => ours.isCancelled(id))).toEqual([false, true, true]);
  });
});

import { setImmediate as turn } from "node:timers/promises";
import { json, memoryPair } from "ringbell";
import {
  BUSY,
  type Call,
  CallError,
  type Client,
  contract,
  open,
  request,
  serve,
  stream,
  TOO_LATE,
} from "ringbell/rpc";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type Entrance, Gate, type GateLimits } from "../../lib/rpc/gate.js";
import { child, ending, privateDirectory, program, raw, serving, until, ways } from "./setup.js";

const work = contract("work", {
  wait: request(z.object({ id: z.number() }), z.number()),
  now: request(z.object({ id: z.number() }), z.number()),
  cancelled: request(z.object({ ms: z.number() }), z.boolean()),
  left: request(undefined, z.number()),
  turn: request(z.object({ id: z.number() }), z.number()),
  watch: stream(undefined, z.number()),
});

/** Calls of `wait`, which end when the test says so. */
function handlers() {
  const begun: number[] = [];
  const ends = new Map<number, () => void>();
  const calls: Call[] = [];
  return {
    begun,
    ends,
    calls,
    served: {
      wait: ({ id }: { id: number }, call: Call) =>
        new Promise<number>((resolve) => {
          begun.push(id);
          calls.push(call);
          ends.set(id, () => resolve(id));
        }),
      now: ({ id }: { id: number }) => {
        begun.push(id);
        return id;
      },
      /** Computes until the call is cancelled, or the time is over, without a turn of the event loop. */
      cancelled: ({ ms }: { ms: number }, call: Call) => {
        const end = performance.now() + ms;
        while (performance.now() < end) if (call.cancelled) return true;
        return false;
      },
      left: (_: undefined, call: Call) => Math.min(call.timeLeft, 1e9),
      turn: async ({ id }: { id: number }) => {
        begun.push(id);
        await turn();
        return id;
      },
      async *watch() {
        await turn();
        yield 1;
      },
    },
  };
}

describe.each(ways)("over %s, a service", (way) => {
  const start = async (options: Partial<GateLimits> & { whenFull?: "refuse" | "wait" }) => {
    const { served, ...seen } = handlers();
    return { ...seen, ...(await serving(way, work, served as never, { ...options, onError: () => {} })) };
  };

  it("runs as many calls at a time as it allows, lets others wait, and refuses more at once", async () => {
    const { client, begun, ends } = await start({ concurrency: 2, queue: 3 });
    const calls = [1, 2, 3, 4, 5].map((id) => client.wait({ id }));
    const refused = await client.wait({ id: 6 }).catch((error) => error);
    expect(refused).toBeInstanceOf(CallError);
    expect(refused).toMatchObject({ rpcCode: BUSY, retryable: true });
    expect(begun).toEqual([1, 2]);
    ends.get(2)!();
    expect(await calls[1]).toBe(2);
    await until(() => begun.length === 3);
    const again = client.wait({ id: 6 });
    for (const id of [1, 3, 4, 5, 6]) {
      await until(() => ends.has(id));
      ends.get(id)!();
    }
    expect(await Promise.all([...calls, again])).toEqual([1, 2, 3, 4, 5, 6]);
    expect(begun).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("without a queue refuses what it can't begin", async () => {
    const { client, ends } = await start({ concurrency: 1, queue: 0 });
    const first = client.wait({ id: 1 });
    await expect(client.now({ id: 2 })).rejects.toMatchObject({ rpcCode: BUSY });
    ends.get(1)!();
    expect(await first).toBe(1);
    expect(await client.now({ id: 2 })).toBe(2);
  });

  it("gives the place of a waiting call that is cancelled to others at once", async () => {
    const { client, begun, ends } = await start({ concurrency: 1, queue: 2 });
    const first = client.wait({ id: 1 });
    const controller = new AbortController();
    const waiting = [2, 3].map((id) =>
      client.wait({ id }, { signal: controller.signal }).catch(() => "gone"),
    );
    await expect(client.now({ id: 4 })).rejects.toMatchObject({ rpcCode: BUSY });
    controller.abort();
    expect(await Promise.all(waiting)).toEqual(["gone", "gone"]);
    await client.health();
    const next = client.now({ id: 5 });
    await client.health();
    ends.get(1)!();
    expect(await Promise.all([first, next])).toEqual([1, 5]);
    expect(begun).toEqual([1, 5]);
  });

  it("runs no more calls of one client than one may", async () => {
    const { client, begun, ends } = await start({
      concurrency: 10,
      concurrencyPerClient: 2,
      queuePerClient: 1,
    });
    const calls = [1, 2, 3].map((id) => client.wait({ id }));
    await expect(client.wait({ id: 4 })).rejects.toMatchObject({ rpcCode: BUSY });
    expect(begun).toEqual([1, 2]);
    for (const id of [1, 2, 3]) {
      await until(() => ends.has(id));
      ends.get(id)!();
    }
    expect(await Promise.all(calls)).toEqual([1, 2, 3]);
  });

  it.each([0, 3])(
    "lets calls wait at the caller where it says so, all in order: queue of %d",
    async (queue) => {
      const { client, begun, ends } = await start({ concurrency: 1, queue, whenFull: "wait" });
      const first = client.wait({ id: 0 });
      const text = "x".repeat(1000);
      // More than the port takes at once.
      const calls = Array.from({ length: 2000 }, (_, i) => client.now({ id: i + 1, text } as { id: number }));
      await until(() => ends.has(0));
      await turn();
      expect(begun).toEqual([0]);
      ends.get(0)!();
      expect(await first).toBe(0);
      expect(await Promise.all(calls)).toHaveLength(2000);
      expect(begun).toEqual(Array.from({ length: 2001 }, (_, i) => i));
    },
  );

  it("takes cancels from a caller that waits", async () => {
    const { client, begun, ends, calls } = await start({ concurrency: 1, queue: 1, whenFull: "wait" });
    const controller = new AbortController();
    const gone = { signal: controller.signal };
    const first = client.wait({ id: 1 }, gone).catch(() => "gone");
    const others = [2, 3, 4, 5].map((id) => client.now({ id }, gone).catch(() => "gone"));
    await until(() => begun.length === 1);
    controller.abort();
    expect(await Promise.all([first, ...others])).toEqual(Array(5).fill("gone"));
    // Goes the way of the cancels, behind them.
    await client.health();
    expect(calls[0]!.signal.aborted).toBe(true);
    ends.get(1)!();
    expect(await client.now({ id: 6 })).toBe(6);
    expect(begun).toEqual([1, 6]);
  });

  it("keeps the place of a call that was cancelled until its handler has returned", async () => {
    const { client, ends, calls } = await start({ concurrency: 1, queue: 1 });
    const controller = new AbortController();
    const first = client.wait({ id: 1 }, { signal: controller.signal });
    await until(() => calls.length === 1);
    controller.abort();
    await expect(first).rejects.toMatchObject({ name: "AbortError" });
    await until(() => calls[0]!.cancelled);
    const next = client.now({ id: 2 });
    await expect(client.now({ id: 3 })).rejects.toMatchObject({ rpcCode: BUSY });
    ends.get(1)!();
    expect(await next).toBe(2);
  });

  it("does not begin a call whose time is over, and says so", async () => {
    const { client, begun, ends } = await start({ concurrency: 1 });
    const first = client.wait({ id: 1 });
    await until(() => ends.has(1));
    await expect(client.now({ id: 2 }, { timeout: 20 })).rejects.toMatchObject({
      code: "ERR_RINGBELL_TIMEOUT",
    });
    // The cancel has arrived.
    await client.health();
    ends.get(1)!();
    expect(await first).toBe(1);
    expect(await client.now({ id: 3 })).toBe(3);
    expect(begun).toEqual([1, 3]);
  });

  it("tells a handler that computes when the caller's time is over", async () => {
    const { client } = await start({});
    const late = client.cancelled({ ms: 10_000 }, { timeout: 30 }).catch((error) => error);
    const began = performance.now();
    const result = await late;
    // Both sides are in one process here: the answer that the blocked loop has got meanwhile wins.
    expect(result === true || (result as { code: string }).code === "ERR_RINGBELL_TIMEOUT").toBe(true);
    expect(performance.now() - began).toBeLessThan(5000);
    expect(await client.cancelled({ ms: 1 })).toBe(false);
  });

  it("knows how long the caller waits", async () => {
    const { client } = await start({});
    expect(await client.left()).toBe(1e9);
    const left = await client.left(undefined, { timeout: 10_000 });
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(10_000);
  });

  it("does not begin a call that its cancel has overtaken", async () => {
    const { client, begun } = await start({ queue: 0 });
    // More than the port takes at once, so that the last call waits, and its cancel does not.
    const text = "x".repeat(1000);
    const many = Array.from({ length: 5000 }, (_, id) => client.now({ id, text } as { id: number }));
    const controller = new AbortController();
    const last = client.wait({ id: -1 }, { signal: controller.signal });
    controller.abort();
    await expect(last).rejects.toMatchObject({ name: "AbortError" });
    await Promise.all(many);
    expect(await client.now({ id: -2 })).toBe(-2);
    expect(begun.length).toBe(5001);
    expect(begun.slice(-1)).toEqual([-2]);
  });

  it.skipIf(way === "memory")("answers nine callers while one floods it", async () => {
    const { client, directory, begun } = await start({
      concurrency: 4,
      queuePerClient: 100_000,
      queue: 100_000,
    });
    const others = await Promise.all(Array.from({ length: 9 }, () => open(work, { directory: directory! })));
    for (const other of others) ending(other);
    const flood = Array.from({ length: 5000 }, () => client.turn({ id: 0 }));
    await until(() => begun.length > 0);
    await Promise.all(
      others.flatMap((other, i) => Array.from({ length: 20 }, () => other.turn({ id: i + 1 }))),
    );
    const flooded = begun.filter((id) => id === 0).length;
    // Served in the order in which they came, all 5000 would have come first.
    expect(flooded).toBeLessThan(2500);
    expect((await Promise.all(flood)).length).toBe(5000);
  });
});

/** A gate; what is not said is as much for one client as for all. */
function gateOf(limits: Pick<GateLimits, "concurrency" | "queue"> & Partial<GateLimits>): Gate {
  const { concurrency, queue } = limits;
  return new Gate({ concurrencyPerClient: concurrency, queuePerClient: queue, ...limits });
}

const join = (gate: Gate) => gate.join(() => {});

describe.each(["shm", "stream"] as const)("a service over %s that lets callers wait", (transport) => {
  it("hears of the death of one that waits, and serves the others", async () => {
    const { served, begun, calls, ends } = handlers();
    const directory = privateDirectory();
    const limits = { concurrency: 1, queuePerClient: 1, whenFull: "wait" } as const;
    const service = ending(await serve(work, served as never, { directory, transport, ...limits }));
    const flooding = program(
      `const client = await open(contract("work"), { directory });
       for (let id = 0; ; id++) {
         void client.wait({ id }).catch(() => {});
         if (id === 3000) report("flooded");
         await turn();
       }`,
      directory,
    );
    await flooding.said("flooded");
    const client = ending(await open(work, { directory }));
    const waits = client.now({ id: -1 });
    const left = new Promise((resolve) => service.once("leave", resolve));
    flooding.child.kill("SIGKILL");
    await left;
    expect(calls[0]!.signal.aborted).toBe(true);
    ends.get(0)!();
    expect(await waits).toBe(-1);
    expect(begun).toEqual([0, -1]);
  });
});

describe("the gate of a service", () => {
  it("gives its places to the clients in turn", () => {
    const gate = gateOf({ concurrency: 2, queue: 100 });
    const begun: string[] = [];
    const [one, other, third] = [join(gate), join(gate), join(gate)];
    const running: Entrance[] = [];
    const enter = (client: Entrance, name: string) => {
      const begin = () => {
        begun.push(name);
        running.push(client);
      };
      return client.enter({ begin });
    };
    for (let i = 0; i < 6; i++) enter(one, `a${i}`);
    for (let i = 0; i < 2; i++) enter(other, `b${i}`);
    enter(third, "c0");
    expect(begun).toEqual(["a0", "a1"]);
    for (let i = 0; i < 7; i++) running.shift()!.leave();
    expect(begun.slice(2)).toEqual(["b0", "c0", "a2", "b1", "a3", "a4", "a5"]);
    expect(gate.waiting).toBe(0);
  });

  it("lets no client have more places than one may, and gives the others to those who wait", () => {
    const gate = gateOf({ concurrency: 4, concurrencyPerClient: 2, queue: 100 });
    const [one, other] = [join(gate), join(gate)];
    const begun: string[] = [];
    const enter = (client: Entrance, name: string) => client.enter({ begin: () => void begun.push(name) });
    for (let i = 0; i < 4; i++) enter(one, `a${i}`);
    for (let i = 0; i < 3; i++) enter(other, `b${i}`);
    expect(begun).toEqual(["a0", "a1", "b0", "b1"]);
    other.leave();
    other.leave();
    expect(begun.slice(4)).toEqual(["b2"]);
    one.leave();
    one.leave();
    expect(begun.slice(5)).toEqual(["a2", "a3"]);
    expect([gate.running, gate.waiting]).toEqual([3, 0]);
  });

  it("bounds the queue of each client and that of all, and tells when there is room", () => {
    const gate = gateOf({ concurrency: 1, queue: 3, queuePerClient: 2 });
    const room: string[] = [];
    const [one, other] = [gate.join(() => room.push("one")), gate.join(() => room.push("other"))];
    const task = () => ({ begin: () => {} });
    expect([1, 2, 3, 4].map(() => one.enter(task()))).toEqual([true, true, true, false]);
    expect([1, 2].map(() => other.enter(task()))).toEqual([true, false]);
    one.wantRoom();
    other.wantRoom();
    expect([one.isFull, other.isFull, gate.waiting]).toEqual([true, true, 3]);
    one.leave();
    expect(room).toEqual(["other"]);
    other.leave();
    expect(room).toEqual(["other", "one"]);
    one.leave();
    one.leave();
    expect([gate.running, gate.waiting]).toEqual([0, 0]);
  });

  it("forgets a call that waits, whose client then has no turn", () => {
    const gate = gateOf({ concurrency: 1, queue: 3 });
    const [one, other] = [join(gate), join(gate)];
    const begun: string[] = [];
    const task = (name: string) => ({ begin: () => void begun.push(name) });
    const gone = task("gone");
    one.enter(task("first"));
    other.enter(gone);
    one.enter(task("second"));
    expect([other.forget(gone), other.forget(gone)]).toEqual([true, false]);
    one.leave();
    expect(begun).toEqual(["first", "second"]);
  });

  it("lets the event loop turn between many calls that return at once", async () => {
    const gate = gateOf({ concurrency: 1, queue: 10_000 });
    const [first, many, last] = [join(gate), join(gate), join(gate)];
    let begun = 0;
    const run = () => {
      begun++;
      many.leave();
    };
    first.enter({ begin: () => {} });
    for (let i = 0; i < 1000; i++) many.enter({ begin: () => run() });
    first.leave();
    expect(begun).toBeLessThan(100);
    let late = 0;
    const begin = () => {
      late = begun;
    };
    last.enter({ begin });
    await until(() => begun === 1000 || late > 0);
    // The client that came later had its turn before the queue was empty.
    expect(late).toBeGreaterThan(0);
    expect(late).toBeLessThan(1000);
  });
});

describe.each(["shm", "stream"] as const)("over three hops of %s", (transport) => {
  const hop = contract("hop", {
    go: request(z.object({ hang: z.boolean() }), z.array(z.number())),
  });
  /** Three services, each of which calls the next by means of the call that it answers. */
  async function chain() {
    const [begun, cancelled]: string[][] = [[], []];
    const ended = new Set<string>();
    const directory = privateDirectory();
    let next: Client<typeof hop> | undefined;
    for (const name of ["third", "second", "first"]) {
      const after = next;
      const go = async (params: { hang: boolean }, call: Call): Promise<number[]> => {
        begun!.push(name);
        call.signal.addEventListener("abort", () => cancelled!.push(name));
        call.signal.addEventListener("abort", () => ended.add(name));
        const { timeLeft } = call;
        await new Promise((resolve) => setTimeout(resolve, 6));
        if (after === undefined) return params.hang ? new Promise(() => {}) : [timeLeft];
        try {
          return [timeLeft, ...(await after.go(params, { call }))];
        } finally {
          ended.add(name);
        }
      };
      ending(await serve(hop, { go }, { name, directory, transport, onError: () => {} }));
      next = ending(await open(hop, { name, directory }));
    }
    return { client: next!, begun: begun!, cancelled: cancelled!, ended };
  }

  it("the time that is left shrinks at each", async () => {
    const { client } = await chain();
    const left = await client.go({ hang: false }, { timeout: 60_000 });
    expect(left).toHaveLength(3);
    expect(left[0]!).toBeLessThanOrEqual(60_000);
    expect(left[1]!).toBeLessThanOrEqual(left[0]! - 5);
    expect(left[2]!).toBeLessThanOrEqual(left[1]! - 5);
  });

  it("a cancel travels to the last", async () => {
    const { client, begun, cancelled } = await chain();
    const controller = new AbortController();
    const call = client.go({ hang: true }, { signal: controller.signal });
    await until(() => begun.length === 3);
    controller.abort();
    await expect(call).rejects.toMatchObject({ name: "AbortError" });
    await until(() => cancelled.length === 3);
    expect(cancelled).toEqual(["first", "second", "third"]);
  });

  it("a deadline ends the call at each", async () => {
    const { client, begun, ended } = await chain();
    const call = client.go({ hang: true }, { timeout: 300 });
    // The hop at which the time is over first may say so, and the caller hears of that.
    await expect(call).rejects.toThrow("was not answered within");
    await until(() => ended.size === begun.length);
    expect(begun).toContain("first");
  });
});

describe.each(ways)("a caller over %s that limits itself", (way) => {
  const start = async (opening: { concurrency?: number; queue?: number }) => {
    const { served, ...seen } = handlers();
    return { ...seen, ...(await serving(way, work, served as never, {}, opening)) };
  };

  it("has no more calls under way; others wait for their turn, and more than may wait are refused", async () => {
    const { client, begun, ends } = await start({ concurrency: 2, queue: 2 });
    const calls = [1, 2, 3, 4].map((id) => client.wait({ id }));
    const refused = await client.wait({ id: 5 }).catch((error) => error);
    expect(refused).toBeInstanceOf(CallError);
    expect(refused).toMatchObject({ rpcCode: BUSY, retryable: true });
    await until(() => begun.length === 2);
    expect(await client.health()).toBe("healthy");
    expect(begun).toEqual([1, 2]);
    for (const id of [2, 1, 3, 4]) {
      await until(() => ends.has(id));
      ends.get(id)!();
    }
    expect(await Promise.all(calls)).toEqual([1, 2, 3, 4]);
    expect(begun).toEqual([1, 2, 3, 4]);
  });

  it("gives up calls that wait, by signal and by time, and never sends them", async () => {
    const { client, begun, ends } = await start({ concurrency: 1 });
    const first = client.wait({ id: 1 });
    await until(() => ends.has(1));
    const controller = new AbortController();
    const cancelled = client.now({ id: 2 }, { signal: controller.signal });
    controller.abort();
    await expect(cancelled).rejects.toMatchObject({ name: "AbortError" });
    await expect(client.now({ id: 3 }, { timeout: 10 })).rejects.toMatchObject({
      code: "ERR_RINGBELL_TIMEOUT",
    });
    const left = client.left(undefined, { timeout: 10_000 });
    setTimeout(() => ends.get(1)!(), 20);
    expect(await first).toBe(1);
    // The time that it has waited has gone by.
    expect(await left).toBeLessThan(9990);
    expect(begun).toEqual([1]);
  });

  it("counts a stream from its first item to its end", async () => {
    const { client } = await start({ concurrency: 1, queue: 1 });
    const items = client.watch();
    const item = items.next();
    const waits = client.now({ id: 1 });
    await expect(client.now({ id: 2 })).rejects.toMatchObject({ rpcCode: BUSY });
    expect(await item).toEqual({ done: false, value: 1 });
    expect(await items.next()).toEqual({ done: true, value: undefined });
    expect(await waits).toBe(1);
  });

  it("hears that calls which waited were not sent, when the connection ends", async () => {
    const { client, service } = await start({ concurrency: 1 });
    const calls = [1, 2, 3].map((id) => client.wait({ id }).catch((error) => error));
    await client.health();
    await service.close();
    const errors = await Promise.all(calls);
    expect(errors.map(({ mayHaveRun }) => mayHaveRun)).toEqual([true, false, false]);
  });
});

describe("a caller", () => {
  it.each([
    { concurrency: 0 },
    { concurrency: 1.5 },
    { queue: 5 },
    { concurrency: 1, queue: -1 },
    { concurrency: 1, queue: "5" as never },
  ])("does not take %o for limits", async (opening) => {
    const [port] = memoryPair({ codec: json() });
    await expect(open(work, { ...opening, port: port as never })).rejects.toMatchObject({
      code: "ERR_RINGBELL_INVALID_ARGUMENT",
    });
    port.destroy();
  });

  it.each([Number.NaN, "5", null, {}])("does not take %s for a time", async (timeout) => {
    const { client } = await serving("memory", work, handlers().served as never);
    await expect(client.left(undefined, { timeout: timeout as number })).rejects.toMatchObject({
      code: "ERR_RINGBELL_INVALID_ARGUMENT",
    });
    await expect(client.watch(undefined, { signal: 5 as never }).next()).rejects.toThrow("options.signal");
  });

  it.each([0, -1, Number.NEGATIVE_INFINITY])("makes no call that has %s ms", async (timeout) => {
    const { served, begun } = handlers();
    const { client } = await serving("memory", work, served as never);
    const late = { code: "ERR_RINGBELL_TIMEOUT" };
    await expect(client.now({ id: 1 }, { timeout })).rejects.toMatchObject(late);
    expect(await client.now({ id: 2 })).toBe(2);
    expect(begun).toEqual([2]);
  });

  it("that sends a time which is none waits for ever, as far as the service knows", async () => {
    const { ask } = await raw(work, handlers().served as never);
    for (const timeout of [-5, "5", null, {}]) {
      const answer = await ask({ jsonrpc: "2.0", id: 1, method: "left", timeout });
      expect(answer).toEqual({ jsonrpc: "2.0", id: 1, result: 1e9 });
    }
    const late = await ask({ jsonrpc: "2.0", id: 1, method: "left", timeout: 0 });
    expect(late).toMatchObject({ error: { code: TOO_LATE } });
  });
});

describe.each(["shm", "stream"] as const)("a caller over %s whose own loop was blocked", (transport) => {
  it.each([1, 500])(
    "gets the answers that came meanwhile, though their time is over: %d calls",
    async (count) => {
      const { client } = await child(transport, work, "{ now: ({ id }) => id }");
      expect(await client.now({ id: 0 })).toBe(0);
      const calls = Array.from({ length: count }, (_, id) => client.now({ id }, { timeout: 50 }));
      // The requests go out, and then the answers come while this thread sleeps.
      await turn();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
      expect(await Promise.all(calls)).toHaveLength(count);
    },
  );

  it("still gives up a call that is not answered", async () => {
    const { client } = await child(transport, work, "{ wait: () => new Promise(() => {}) }");
    const call = client.wait({ id: 1 }, { timeout: 50 });
    await turn();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    await expect(call).rejects.toMatchObject({ code: "ERR_RINGBELL_TIMEOUT" });
  });
});

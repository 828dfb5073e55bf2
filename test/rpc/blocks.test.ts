import { setImmediate as turn } from "node:timers/promises";
import { Block, type Channel } from "ringbell";
import { type Call, contract, notification, open, request, stream } from "ringbell/rpc";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ending, serving, until } from "./setup.js";

/** What no codec of calls can carry. */
const CYCLE: Record<string, unknown> = {};
CYCLE.itself = CYCLE;

const block = z.instanceof(Block);
const photo = z.object({ pixels: block });
const how = z.object({ how: z.string(), pixels: block.optional() });

const photos = contract("photos", {
  first: request(photo, z.number()),
  make: request(z.object({ value: z.number() }), photo),
  report: request(z.object({ count: z.number() }), z.number(), { progress: photo }),
  film: stream(z.object({ frames: z.number() }), photo),
  sum: request(undefined, z.number(), { input: photo }),
  odd: request(how, z.unknown(), { progress: z.object({ pixels: block, ok: z.number() }), input: photo }),
  show: notification(photo),
  tell: notification(how),
});

/** What a peer calls that has another contract. */
const others = contract("photos", {
  missing: request(photo, z.null()),
  make: request(z.object({ value: z.number() }), z.object({ pixels: z.string() })),
});

type Port = Channel<unknown, unknown>;
const portOf = (client: unknown) => (client as { port: Port }).port;

/** A block whose first byte has the value. */
function filled(port: Port, value: number): Block {
  const made = port.tryAllocate(1000)!;
  made.bytes[0] = value;
  return made;
}

const take = (taken: Block) => {
  const [value] = taken.bytes;
  taken.release();
  return value!;
};

describe.each(["shm", "stream", "memory"] as const)("blocks over %s", (way) => {
  async function start(options: { concurrency?: number; queue?: number } = {}) {
    const seen = { ends: [] as (() => void)[], calls: [] as Call[], left: 0 };
    const make = (call: Call, value: number) => filled(portOf(call.client), value);
    const wait = () => new Promise<void>((resolve) => seen.ends.push(resolve));
    const served = {
      first: ({ pixels }: { pixels: Block }) => take(pixels),
      make: ({ value }: { value: number }, call: Call) => ({ pixels: make(call, value) }),
      report: async ({ count }: { count: number }, call: Call) => {
        for (let i = 0; i < count; i++) await call.progress({ pixels: make(call, i) });
        return count;
      },
      async *film({ frames }: { frames: number }, call: Call) {
        seen.calls.push(call);
        try {
          for (let i = 0; i < frames; i++) {
            if (i % 10 === 9) await turn();
            yield { pixels: make(call, i % 256) };
          }
        } finally {
          seen.left++;
        }
      },
      sum: async (_: undefined, call: Call<unknown, { pixels: Block }>) => {
        let sum = 0;
        for await (const { pixels } of call.input) sum += take(pixels);
        return sum;
      },
      odd: async (params: { how: string; pixels?: Block }, call: Call) => {
        seen.calls.push(call);
        switch (params.how) {
          case "throw":
            throw new Error("no");
          case "unsendable":
            return { pixels: make(call, 1), odd: CYCLE };
          case "wait":
            await wait();
            return { pixels: make(call, 1) };
          case "wait and throw":
            await wait();
            throw new Error("no");
          case "bad progress":
            await call.progress({ pixels: make(call, 1), ok: "no" });
            return 0;
          case "late progress":
            await wait();
            await call.progress({ pixels: make(call, 1), ok: 1 });
            return 0;
          case "unsendable progress":
            return call.progress({ pixels: make(call, 1), ok: CYCLE }).catch(() => "refused");
          default:
            return 0;
        }
      },
      show: ({ pixels }: { pixels: Block }) => void pixels.release(),
      tell: ({ how, pixels }: { how: string; pixels?: Block }, call: Call) => {
        if (how === "throw") throw new Error("no");
        pixels?.release();
        return { pixels: make(call, 1) };
      },
    };
    const onError = () => {};
    const { client, service } = await serving(way, photos, served as never, { onError, ...options });
    service.on("peerError", () => {});
    const mine = portOf(client);
    const [caller] = service.clients;
    const theirs = portOf(caller!.client);
    /** Both sides have no block, as soon as what is on its way has come. Waits only so long that no garbage collection releases them. */
    const nothingHeld = async () => {
      const counts = () =>
        [mine, theirs].map((port) => {
          const { ownBlocks, heldBlocks } = port.stats().bulk;
          return ownBlocks + heldBlocks;
        });
      await client.first({ pixels: some() });
      await client.health();
      for (let turns = 0; turns < 500 && counts().some((count) => count > 0); turns++) await turn();
      expect(counts()).toEqual([0, 0]);
    };
    const some = (value = 1) => filled(mine, value);
    return { client, mine, theirs, nothingHeld, some, seen };
  }

  it("go along in parameters, results, items, progress and input", async () => {
    const { client, some, nothingHeld } = await start();
    expect(await client.first({ pixels: some(7) })).toBe(7);
    expect(take((await client.make({ value: 8 })).pixels)).toBe(8);
    const reports: number[] = [];
    const onProgress = ({ pixels }: { pixels: Block }) => void reports.push(take(pixels));
    expect(await client.report({ count: 20 }, { onProgress })).toBe(20);
    expect(reports).toEqual(Array.from({ length: 20 }, (_, i) => i));
    const frames: number[] = [];
    for await (const { pixels } of client.film({ frames: 600 })) frames.push(take(pixels));
    expect(frames).toEqual(Array.from({ length: 600 }, (_, i) => i % 256));
    const input = Array.from({ length: 300 }, () => ({ pixels: some(1) }));
    expect(await client.sum(undefined, { input })).toBe(300);
    await client.show({ pixels: some() });
    await nothingHeld();
  });

  it("of parameters that are refused are released", async () => {
    const { client, some, nothingHeld } = await start();
    await expect(client.odd({ how: 5, pixels: some() } as never)).rejects.toMatchObject({ rpcCode: -32602 });
    await expect(client.first({ pixels: some(), odd: CYCLE } as never)).rejects.toMatchObject({
      code: "ERR_RINGBELL_ENCODE",
    });
    await expect(client.odd([some()] as never)).rejects.toMatchObject({ rpcCode: -32602 });
    await client.show({ pixel: some() } as never);
    await client.tell({ how: "throw", pixels: some() });
    await client.tell({ how: "answer", pixels: some() });
    const port = portOf(client);
    await port.send({ jsonrpc: "2.0", id: "a", method: "missing", params: { pixels: some() } });
    await port.send({ jsonrpc: "2.0", method: "missing", params: { pixels: some() } });
    await port.send({ jsonrpc: "1.0", method: "missing", params: { pixels: some() } });
    await port.send([
      { jsonrpc: "2.0", id: 5, method: "first", params: { deep: [{ pixels: some() }] } },
      some(),
    ]);
    await port.send({ jsonrpc: "2.0", method: "rpc.later", params: { pixels: some() } });
    await port.send({ jsonrpc: "2.0", id: "p", method: "rpc.ping", params: { pixels: some() } });
    await port.send({ jsonrpc: "2.0", method: "rpc.input", params: { id: 77, items: [some()] } });
    await port.send({ jsonrpc: "2.0", method: "rpc.items", params: { id: 77, items: [some()] } });
    await port.send({ jsonrpc: "2.0", method: "rpc.progress", params: { id: 77, value: some() } });
    await port.send({ jsonrpc: "2.0", id: 77, result: some() });
    await port.send({
      jsonrpc: "2.0",
      id: 77,
      result: some(),
      error: { code: 1, message: "", data: some() },
    });
    await nothingHeld();
  });

  it("of a call whose handler fails are released", async () => {
    const { client, some, nothingHeld, seen } = await start();
    await expect(client.odd({ how: "throw", pixels: some() })).rejects.toThrow("no");
    const late = client.odd({ how: "wait and throw", pixels: some() });
    await until(() => seen.ends.length === 1);
    seen.ends[0]!();
    await expect(late).rejects.toThrow("no");
    await expect(client.odd({ how: "unsendable" })).rejects.toThrow("can't be sent");
    await nothingHeld();
  });

  it("of a call that is refused for want of room are released", async () => {
    const { client, some, nothingHeld, seen } = await start({ concurrency: 1, queue: 0 });
    const first = client.odd({ how: "wait" });
    await until(() => seen.ends.length === 1);
    await expect(client.first({ pixels: some() })).rejects.toMatchObject({ retryable: true });
    await client.show({ pixels: some() });
    seen.ends[0]!();
    take(((await first) as { pixels: Block }).pixels);
    await nothingHeld();
  });

  it("of a call that is cancelled are released: before it is sent, while it waits, runs, or has been answered", async () => {
    const { client, some, nothingHeld, seen } = await start({ concurrency: 1, queue: 10 });
    const before = AbortSignal.abort();
    await expect(client.first({ pixels: some() }, { signal: before })).rejects.toMatchObject({
      name: "AbortError",
    });
    await expect(client.first({ pixels: some() }, { timeout: 0 })).rejects.toMatchObject({
      name: "TimeoutError",
    });
    await expect(client.first({ pixels: some() }, { timeout: Number.NaN })).rejects.toThrow(
      "options.timeout",
    );
    await expect(client.film({ frames: some() } as never, { signal: before }).next()).rejects.toThrow();
    const controller = new AbortController();
    const { signal } = controller;
    const running = client.odd({ how: "wait" }, { signal }).catch((error) => error);
    await until(() => seen.calls.length === 1);
    const waiting = client.first({ pixels: some() }, { signal }).catch((error) => error);
    await client.health();
    controller.abort();
    expect(await running).toMatchObject({ name: "AbortError" });
    expect(await waiting).toMatchObject({ name: "AbortError" });
    await until(() => seen.calls[0]!.cancelled);
    seen.ends[0]!();
    // The answer is on its way when the cancel is.
    const late = new AbortController();
    const made = client.make({ value: 1 }, { signal: late.signal }).catch((error) => error);
    late.abort();
    expect(await made).toMatchObject({ name: "AbortError" });
    const reporting = new AbortController();
    const report = client.odd({ how: "late progress" }, { signal: reporting.signal }).catch((error) => error);
    await until(() => seen.ends.length === 2);
    reporting.abort();
    await report;
    await until(() => seen.calls.at(-1)!.cancelled);
    seen.ends[1]!();
    await nothingHeld();
  });

  it("of results, items and progress that nobody wants, or the schema refuses, are released", async () => {
    const { client, nothingHeld } = await start();
    expect(await client.report({ count: 5 })).toBe(5);
    await client.odd({ how: "bad progress" }, { onProgress: () => {} });
    expect(await client.odd({ how: "unsendable progress" })).toBe("refused");
    await nothingHeld();
  });

  it("of a stream that is left are released, wherever they are", async () => {
    const { client, nothingHeld, seen } = await start();
    for (let taken = 0; taken < 30; taken += 7) {
      let i = 0;
      for await (const { pixels } of client.film({ frames: 100_000 })) {
        pixels.release();
        if (i++ === taken) break;
      }
      await until(() => seen.left > taken / 7);
    }
    const controller = new AbortController();
    const film = client.film({ frames: 100_000 }, { signal: controller.signal });
    await film.next().then(({ value }) => value!.pixels.release());
    controller.abort();
    await film.return!();
    const unread = client.film({ frames: 20 });
    await unread.next().then(({ value }) => value!.pixels.release());
    await client.health();
    await unread.return!();
    await nothingHeld();
  });

  it("of input that the handler does not read are released", async () => {
    const { client, some, nothingHeld, seen } = await start();
    const many = (count: number) => Array.from({ length: count }, () => ({ pixels: some() }));
    const waiting = client.odd({ how: "wait" }, { input: many(200) });
    await until(() => seen.ends.length === 1);
    await client.health();
    seen.ends[0]!();
    take(((await waiting) as { pixels: Block }).pixels);
    // The caller goes on producing, and finds the call over.
    let left = false;
    async function* endless() {
      try {
        for (;;) {
          yield { pixels: some() };
          await turn();
        }
      } finally {
        left = true;
      }
    }
    expect(await client.odd({ how: "at once" }, { input: endless() })).toBe(0);
    await until(() => left);
    const controller = new AbortController();
    const sum = client
      .sum(undefined, { input: endless(), signal: controller.signal })
      .catch((error) => error);
    await turn();
    controller.abort();
    expect(await sum).toMatchObject({ name: "AbortError" });
    await nothingHeld();
  });
});

describe.each(["shm", "stream"] as const)(
  "a result over %s that the caller's schema refuses",
  (transport) => {
    it("has its blocks released", async () => {
      const make = ({ value }: { value: number }, call: Call) => ({
        pixels: filled(portOf(call.client), value),
      });
      const small = contract("photos", { make: photos.methods.make });
      const { directory } = await serving(transport, small, { make } as never);
      const client = ending(await open(others, { directory: directory! }));
      await expect(client.make({ value: 1 })).rejects.toMatchObject({ code: "ERR_RINGBELL_VALIDATION" });
      expect(portOf(client).stats().bulk.heldBlocks).toBe(0);
      await expect(client.missing({ pixels: filled(portOf(client), 1) })).rejects.toMatchObject({
        rpcCode: -32601,
      });
      expect(portOf(client).stats().bulk.ownBlocks).toBe(0);
    });
  },
);

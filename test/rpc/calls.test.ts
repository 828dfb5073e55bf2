import { setTimeout as sleep } from "node:timers/promises";
import { CallError, contract, INTERNAL_ERROR, notification, request, stream } from "ringbell/rpc";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { serving, ways } from "./setup.js";

const tools = contract("tools", {
  add: request(z.object({ a: z.number(), b: z.number() }), z.number()),
  nothing: request(),
  index: request(z.object({ files: z.number() }), z.string(), { progress: z.object({ done: z.number() }) }),
  fail: request(z.object({ how: z.string() }), z.null()),
  count: stream(z.object({ to: z.number() }), z.number()),
  log: notification(z.object({ line: z.string() })),
  sum: request(z.undefined(), z.number(), { input: z.number() }),
  hang: request(z.undefined(), z.null()),
});

function handlers() {
  const seen = { lines: [] as string[], aborted: 0, left: 0 };
  return {
    seen,
    handlers: {
      add: ({ a, b }: { a: number; b: number }) => a + b,
      nothing: async () => {},
      index: async (
        { files }: { files: number },
        call: { progress(value: { done: number }): Promise<void> },
      ) => {
        for (let done = 1; done <= files; done++) await call.progress({ done });
        return "all";
      },
      fail: ({ how }: { how: string }): null => {
        if (how === "call") throw new CallError(7, "seven", { why: "so" });
        if (how === "type") throw new TypeError("no type");
        throw Object.assign(new Error("lost"), { code: "ELOST" });
      },
      async *count({ to }: { to: number }) {
        try {
          for (let i = 0; i < to; i++) yield i;
        } finally {
          seen.left++;
        }
      },
      log: ({ line }: { line: string }) => void seen.lines.push(line),
      sum: async (_: undefined, call: { input: AsyncIterable<number> }) => {
        let sum = 0;
        for await (const item of call.input) sum += item;
        return sum;
      },
      hang: (_: undefined, call: { signal: AbortSignal }) =>
        new Promise<null>((_resolve, reject) => {
          call.signal.addEventListener("abort", () => {
            seen.aborted++;
            reject(call.signal.reason);
          });
        }),
    },
  };
}

async function start(way: (typeof ways)[number]) {
  const { seen, handlers: served } = handlers();
  return { seen, ...(await serving(way, tools, served)) };
}

/** Waits for what happens in another turn of the event loop. */
async function until(holds: () => boolean) {
  while (!holds()) await sleep(1);
}

describe.each(ways)("calls over %s", (way) => {
  it("are answered with the result (S0.8, S2.10, S4.10)", async () => {
    const { client } = await start(way);
    expect(await client.add({ a: 1, b: 2 })).toBe(3);
    expect(await client.nothing()).toBe(undefined);
    const sums = await Promise.all(Array.from({ length: 1000 }, (_, i) => client.add({ a: i, b: i })));
    expect(sums).toEqual(Array.from({ length: 1000 }, (_, i) => 2 * i));
  });

  it("report progress before the result (S0.17)", async () => {
    const { client } = await start(way);
    const reports: number[] = [];
    const result = client.index({ files: 50 }, { onProgress: ({ done }) => void reports.push(done) });
    expect(await result).toBe("all");
    expect(reports).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  });

  it("carry errors: code, message, data and what was thrown, and no stack", async () => {
    const { client } = await start(way);
    const own = await client.fail({ how: "call" }).catch((error) => error);
    expect(own).toBeInstanceOf(CallError);
    expect(own).toMatchObject({ rpcCode: 7, message: "seven", data: { why: "so" } });
    expect(own.cause).toBe(undefined);
    const other = await client.fail({ how: "other" }).catch((error) => error);
    expect(other).toMatchObject({ rpcCode: INTERNAL_ERROR, message: "lost" });
    expect(other.cause).toMatchObject({
      name: "Error",
      message: "lost",
      code: "ELOST",
      stack: "Error: lost",
    });
    const type = await client.fail({ how: "type" }).catch((error) => error);
    expect(type.cause.name).toBe("TypeError");
  });

  it("stream items, with credits: a slow reader slows the source", async () => {
    const { client, seen } = await start(way);
    const items: number[] = [];
    for await (const item of client.count({ to: 10_000 })) items.push(item);
    expect(items).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
    expect(seen.left).toBe(1);
    const one = client.count({ to: 1e9 });
    expect(await one.next()).toEqual({ done: false, value: 0 });
    await one.return!();
    await until(() => seen.left === 2);
    expect(await one.next()).toEqual({ done: true, value: undefined });
  });

  it("stream items to the handler", async () => {
    const { client } = await start(way);
    expect(await client.sum(undefined, { input: [1, 2, 3] })).toBe(6);
    async function* many() {
      for (let i = 0; i < 5000; i++) yield 1;
    }
    expect(await client.sum(undefined, { input: many() })).toBe(5000);
    expect(await client.sum()).toBe(0);
    const broken = (function* () {
      yield 1;
      throw new Error("no more");
    })();
    await expect(client.sum(undefined, { input: broken })).rejects.toThrow("no more");
  });

  it("are cancelled by signal and by time; the handler hears of it, and no answer comes", async () => {
    const { client, seen } = await start(way);
    const controller = new AbortController();
    const hanging = client.hang(undefined, { signal: controller.signal });
    await client.nothing();
    controller.abort(new Error("enough"));
    await expect(hanging).rejects.toThrow("enough");
    await until(() => seen.aborted === 1);
    await expect(client.hang(undefined, { timeout: 5 })).rejects.toMatchObject({
      code: "ERR_RINGBELL_TIMEOUT",
    });
    await until(() => seen.aborted === 2);
    await expect(client.hang(undefined, { signal: controller.signal })).rejects.toThrow("enough");
    expect(await client.add({ a: 1, b: 1 })).toBe(2);
    expect(seen.aborted).toBe(2);
  });

  it("of notifications are not answered (S4.11)", async () => {
    const { client, seen } = await start(way);
    await client.log({ line: "one" });
    await client.nothing();
    expect(seen.lines).toEqual(["one"]);
  });

  it("reject when the connection ends, and say whether they may have run", async () => {
    const { client, service } = await start(way);
    const hanging = client.hang();
    await client.nothing();
    await service.close({ timeout: 0 });
    await expect(hanging).rejects.toMatchObject({ code: "ERR_RINGBELL_CALL_LOST", mayHaveRun: true });
    await expect(client.nothing()).rejects.toMatchObject({
      code: "ERR_RINGBELL_CALL_LOST",
      mayHaveRun: false,
    });
    await expect(client.count({ to: 1 }).next()).rejects.toMatchObject({ mayHaveRun: false });
    await expect(client.log({ line: "" })).rejects.toMatchObject({ mayHaveRun: false });
    expect(await client.health()).toBe("dead");
  });

  it("say how the other side is", async () => {
    const { client } = await start(way);
    expect(await client.health()).toBe("healthy");
  });
});

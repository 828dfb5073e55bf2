import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { type Channel, json, memoryPair } from "ringbell";
import {
  type Call,
  CallError,
  contract,
  messagePort,
  notification,
  open,
  request,
  serve,
  stream,
} from "ringbell/rpc";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { ending, raw, serving, until, ways, wire } from "./setup.js";

const tools = contract("tools", {
  echo: request(z.unknown(), z.unknown()),
  hang: request(z.unknown(), z.unknown(), { progress: z.number(), input: z.number() }),
  count: stream(z.object({ to: z.number() }).optional(), z.number()),
  log: notification(z.object({ line: z.string() })),
  break: request(z.object({ how: z.string() }), z.unknown()),
});

type Break = () => unknown;
const deep = (): unknown => {
  const node: Record<string, unknown> = { big: 1n };
  for (const name of ["a", "b", "c", "d"]) node[name] = node;
  return node;
};
/** Results and errors that can't be sent. */
const breaks: Record<string, Break> = {
  cycle: deep,
  "a cycle, later": async () => deep(),
  "a toJSON that throws": () => ({
    toJSON() {
      throw new Error("no JSON");
    },
  }),
  "a getter that throws": () => ({
    get bad() {
      throw new Error("no value");
    },
  }),
  "too long a result": () => "x".repeat(200_000),
  "data that is no JSON": () => {
    throw new CallError(5, "five", { big: 1n });
  },
  "data that is no JSON, later": async () => {
    throw new CallError(5, "five", deep());
  },
  "a code that is none": () => {
    throw new CallError(Number.NaN, "none");
  },
  "a message that is none": () => {
    throw Object.assign(new Error("x"), { message: { toString: null }, name: 5n });
  },
  "a trap": () => {
    const refuse = () => {
      throw new Error("trapped");
    };
    throw new Proxy(new Error("x"), { get: refuse, getPrototypeOf: refuse });
  },
  nothing: () => Promise.reject(),
  "a then that throws": () => ({
    // biome-ignore lint/suspicious/noThenProperty: it is what the test is about.
    get then() {
      throw new Error("not then");
    },
  }),
  "a promise that throws": () => ({
    // biome-ignore lint/suspicious/noThenProperty: it is what the test is about.
    then() {
      throw new Error("not now");
    },
  }),
};

function handlers() {
  const calls: Call[] = [];
  return {
    calls,
    served: {
      echo: (params: unknown) => params,
      hang: (_: unknown, call: Call<number, number>) =>
        new Promise((_resolve, reject) => {
          calls.push(call as Call);
          call.signal.addEventListener("abort", () => reject(call.signal.reason));
        }),
      *count(params: { to: number } | undefined) {
        for (let i = 0; i < (params?.to ?? Number.POSITIVE_INFINITY); i++) yield i;
      },
      log: () => {},
      break: ({ how }: { how: string }) => breaks[how]!(),
    },
  };
}

/** What went wrong in this process, and must not. */
const crashes: unknown[] = [];
const crash = (error: unknown) => void crashes.push(error);
beforeEach(() => {
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
});
afterEach(async () => {
  await turn();
  await turn();
  process.off("uncaughtException", crash);
  process.off("unhandledRejection", crash);
  expect(crashes.splice(0)).toEqual([]);
});

/** The longest message; longer ones are refused as those of 256 MiB are. */
const maxMessageBytes = 100_000;

async function start() {
  const { served, calls } = handlers();
  const errors: Error[] = [];
  const { ask, port, service } = await raw(tools, served, { onError: () => {}, maxMessageBytes });
  service.on("peerError", (error) => errors.push(error));
  return { ask, port, calls, errors };
}

const call = (id: unknown, method: string, params?: unknown, more = {}) => ({
  jsonrpc: "2.0",
  id,
  method,
  params,
  ...more,
});
const tell = (method: string, params: unknown) => ({ jsonrpc: "2.0", method, params });

/** Reads until the answer with this id. Returns what came before. */
async function answerTo(port: Channel<unknown, unknown>, id: unknown) {
  const before: unknown[] = [];
  for (;;) {
    const message = await port.receive();
    if ((message as { id?: unknown }).id === id) return { before, answer: message };
    before.push(message);
  }
}

/** Values that a peer puts where others belong. */
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    0,
    -1,
    1,
    2,
    3,
    0.5,
    2 ** 53,
    1e300,
    "",
    "1",
    "__proto__",
    true,
    [],
    {},
    [[]],
    [1, 2],
    { toString: 1, valueOf: 1 },
    JSON.parse('{"then":1,"__proto__":1}'),
    "rpc.",
  ),
  fc.jsonValue({ maxDepth: 2 }),
);
const names = fc.constantFrom(
  "echo",
  "hang",
  "count",
  "log",
  "rpc.cancel",
  "rpc.credit",
  "rpc.input",
  "rpc.inputEnd",
  "rpc.progress",
  "rpc.items",
  "rpc.inputCredit",
  "rpc.ping",
  "rpc.later",
  "__proto__",
  "constructor",
  "then",
  "",
);
const id = fc.oneof(fc.integer({ min: 0, max: 6 }), odd);
const about = fc.record({ id, value: odd, items: odd, count: odd, error: odd }, { requiredKeys: ["id"] });
const message = fc.oneof(
  odd,
  fc.record(
    {
      jsonrpc: fc.constant("2.0"),
      method: names,
      id,
      params: fc.oneof(about, odd),
      timeout: odd,
      credit: odd,
      input: odd,
    },
    { requiredKeys: ["jsonrpc", "method"] },
  ),
  fc.record(
    {
      jsonrpc: fc.constant("2.0"),
      id,
      result: odd,
      error: fc.oneof(odd, fc.record({ code: fc.integer(), message: fc.string(), data: odd, cause: odd })),
    },
    { requiredKeys: ["jsonrpc"] },
  ),
);
const messages = fc.array(fc.oneof(message, message, fc.array(message, { maxLength: 4 })), { maxLength: 30 });

describe("a hostile peer", () => {
  it("may send anything: the service goes on", async () => {
    await fc.assert(
      fc.asyncProperty(messages, async (sent) => {
        const { port } = await start();
        for (const each of sent) if (each !== undefined) await port.send(each);
        await port.send(call("the last", "echo", [1]));
        expect((await answerTo(port, "the last")).answer).toEqual({
          jsonrpc: "2.0",
          id: "the last",
          result: [1],
        });
        await port.close();
      }),
      { numRuns: 300 },
    );
    expect(crashes).toEqual([]);
  }, 120_000);

  it("may answer anything: the caller goes on", async () => {
    await fc.assert(
      fc.asyncProperty(messages, async (sent) => {
        const [one, other] = memoryPair({ codec: json() });
        const client = await open(tools, { port: one as never, onPeerError: () => {} });
        const port = other as Channel<unknown, unknown>;
        const ended = [
          client.hang([], { onProgress: () => {} }),
          client.hang([], { input: [1, 2, 3], timeout: 100_000 }),
          client.echo([]),
          client.count().next(),
          client.echo({}),
        ];
        const settled = Promise.allSettled(ended);
        for (const each of sent) if (each !== undefined) await port.send(each);
        port.on("message", (request) => {
          const { id, method } = request as { id: number; method: string };
          if (method === "echo") void port.send({ jsonrpc: "2.0", id, result: "ok" });
        });
        // It settles. What with is up to the peer, which may have guessed the id.
        await client.echo(["the last"]).catch(() => {});
        await client.close();
        await settled;
      }),
      { numRuns: 300 },
    );
    expect(crashes).toEqual([]);
  }, 120_000);

  it("may send clones of what JSON has not: NaN, undefined, cycles", async () => {
    const { port1, port2 } = new MessageChannel();
    const service = ending(
      await serve(tools, handlers().served as never, {
        port: messagePort(port1 as never),
        onError: () => {},
      }),
    );
    const errors: Error[] = [];
    service.on("peerError", (error) => errors.push(error));
    const answers: { id?: unknown }[] = [];
    port2.addEventListener("message", (event) => void answers.push((event as MessageEvent).data));
    port2.start();
    const cycle: Record<string, unknown> = {};
    for (const name of ["a", "b", "c"]) cycle[name] = cycle;
    for (const odd of [Number.NaN, -1, Number.POSITIVE_INFINITY, undefined, 1n, cycle, new Map(), "5"]) {
      port2.postMessage(call(1, "echo", { odd }, { timeout: odd, credit: odd, input: odd }));
      port2.postMessage(call(2, "count", { to: 1 }, { timeout: Number.NaN, credit: odd, input: true }));
      for (const method of ["rpc.credit", "rpc.input", "rpc.cancel", "rpc.items", "rpc.inputEnd"])
        port2.postMessage(tell(method, { id: odd, count: odd, items: odd, error: odd }));
      port2.postMessage({ jsonrpc: "2.0", id: 1, result: undefined, error: odd });
      port2.postMessage(odd);
      port2.postMessage([odd, cycle]);
    }
    port2.postMessage(call("last", "echo", []));
    await until(() => answers.some(({ id }) => id === "last"));
    port2.close();
  });

  it("gets an error for names and ids of any length", async () => {
    const { ask, errors } = await start();
    /** The longest message that can be sent. */
    const longest = (make: (text: string) => unknown) =>
      make("x".repeat(maxMessageBytes - JSON.stringify(make("")).length));
    const unknown = (await ask(longest((text) => call(1, text)))) as { error: { message: string } };
    expect(unknown).toMatchObject({ id: 1, error: { code: -32601 } });
    expect(unknown.error.message.length).toBeLessThan(300);
    const withId = (method: string, jsonrpc = "2.0") =>
      ask(longest((id) => ({ jsonrpc, method, id, params: [] })));
    expect(await withId("nothing")).toMatchObject({ id: null, error: { code: -32601 } });
    expect(await withId("echo")).toMatchObject({ id: expect.stringMatching(/^x+$/), result: [] });
    expect(await withId("b", "1.0")).toMatchObject({ id: null, error: { code: -32600 } });
    expect(await ask(longest((id) => [call(id, "nothing"), call(2, "echo", [2])]))).toMatchObject([
      { id: null, error: { code: -32601 } },
      { id: null, error: { code: -32603 } },
    ]);
    expect(await ask(call(3, "echo", []))).toMatchObject({ result: [] });
    expect(errors.every(({ message }) => message.length < 500)).toBe(true);
  }, 60_000);

  it("gets no more for credits that no reader gives, and keeps nobody else from the event loop", async () => {
    for (const credit of [2 ** 53 - 1, undefined, 2 ** 53, -5, "many", 1.5]) {
      const { port } = await start();
      let items = 0;
      port.on("message", (each) => {
        items += (each as { params?: { items: unknown[] } }).params?.items.length ?? 0;
      });
      await port.send(call(1, "count", undefined, { credit }));
      await until(() => items > 100_000);
      await port.send(tell("rpc.cancel", { id: 1 }));
      const turns = async () => {
        for (let i = 0; i < 50; i++) await turn();
      };
      await turns();
      const end = items;
      await turns();
      expect(items).toBe(end);
      await port.close();
    }
  });

  it("that sends credits of no form is told of, and its stream waits for real ones", async () => {
    const { port, errors } = await start();
    await port.send(call(1, "count", undefined, { credit: 2 }));
    for (const count of [0, -1, 2 ** 53, 0.5, "1", null, {}])
      await port.send(tell("rpc.credit", { id: 1, count }));
    await port.send(call(2, "echo", []));
    const { before } = await answerTo(port, 2);
    expect(before).toEqual([tell("rpc.items", { id: 1, items: [0, 1] })]);
    expect(errors).toHaveLength(7);
    await port.send(tell("rpc.credit", { id: 1, count: 1 }));
    expect(await port.receive()).toEqual(tell("rpc.items", { id: 1, items: [2] }));
  });

  it("that sends more items than its credit loses the stream", async () => {
    const [one, other] = memoryPair({ codec: json() });
    ending(other);
    const errors: Error[] = [];
    const client = ending(
      await open(tools, { port: one as never, onPeerError: (error) => errors.push(error) }),
    );
    const port = other as Channel<unknown, unknown>;
    const items = client.count();
    const first = items.next();
    const { id, credit } = (await port.receive()) as { id: number; credit: number };
    await port.send(tell("rpc.items", { id, items: [0] }));
    expect(await first).toEqual({ done: false, value: 0 });
    await port.send(tell("rpc.items", { id, items: Array.from({ length: credit }, (_, i) => i) }));
    await expect(items.next()).rejects.toMatchObject({ code: "ERR_RINGBELL_CORRUPT" });
    expect(await port.receive()).toEqual(tell("rpc.cancel", { id }));
    expect(errors).toHaveLength(1);
  });

  it("that sends more input than its credit, or input without being asked, is told of", async () => {
    const { port, calls, errors } = await start();
    await port.send(call(1, "hang", [], { input: true }));
    await port.send(call(2, "hang", []));
    await until(() => calls.length === 2);
    const reading = calls[0]!.input.next().catch((error) => error);
    const none = calls[1]!.input.next();
    const many = Array.from({ length: 257 }, () => 1);
    await port.send(tell("rpc.input", { id: 1, items: many }));
    await port.send(tell("rpc.input", { id: 2, items: [1] }));
    await port.send(tell("rpc.input", { id: 3, items: [1] }));
    expect(await reading).toMatchObject({ code: "ERR_RINGBELL_CORRUPT" });
    expect(await none).toEqual({ done: true, value: undefined });
    await until(() => errors.length === 2);
  });

  it("that cancels calls which it has not made leaves a bounded number behind", async () => {
    const { port } = await start();
    for (let i = 0; i < 50_000; i++)
      if (!port.trySend(tell("rpc.cancel", { id: 1000 + i }))) await port.send(tell("rpc.cancel", { id: 0 }));
    const answered: unknown[] = [];
    port.on("message", (each) => void answered.push((each as { id: unknown }).id));
    // Calls that are taken for cancelled are not answered.
    for (let i = 0; i < 1500; i++) await port.send(call(1000 + i, "echo", []));
    await port.send(call("last", "echo", []));
    await until(() => answered.includes("last"));
    expect(answered.length).toBeGreaterThanOrEqual(1500 - 1024);
    await port.send(call(1000, "echo", []));
    await until(() => answered.includes(1000));
  });

  it("that breaks a schema in its progress, items or result breaks its own call at most", async () => {
    const [one, other] = memoryPair({ codec: json() });
    ending(other);
    const errors: Error[] = [];
    const client = ending(
      await open(tools, { port: one as never, onPeerError: (error) => errors.push(error) }),
    );
    const port = other as Channel<unknown, unknown>;
    const reports: number[] = [];
    const hanging = client.hang([], { onProgress: (report) => void reports.push(report) });
    const { id } = (await port.receive()) as { id: number };
    for (const value of ["one", 2, null]) await port.send(tell("rpc.progress", { id, value }));
    await port.send({ jsonrpc: "2.0", id, result: "done" });
    expect(await hanging).toBe("done");
    expect(reports).toEqual([2]);
    expect(errors.map(({ name }) => name)).toEqual(["ValidationError", "ValidationError"]);
    const item = client.count().next();
    const { id: next } = (await port.receive()) as { id: number };
    await port.send(tell("rpc.items", { id: next, items: ["x"] }));
    await expect(item).rejects.toMatchObject({ code: "ERR_RINGBELL_VALIDATION" });
    expect(await port.receive()).toEqual(tell("rpc.cancel", { id: next }));
  });

  it("that answers with an error of odd parts gives a CallError", async () => {
    const [one, other] = memoryPair({ codec: json() });
    ending(other);
    const client = ending(await open(tools, { port: one as never }));
    const port = other as Channel<unknown, unknown>;
    const bad = { toString: 1, valueOf: 1 };
    for (const cause of [1, null, "x", {}, { name: bad }, { name: "E", code: bad }, { name: 1, code: 1 }]) {
      const answer = client.echo([]);
      const { id } = (await port.receive()) as { id: number };
      await port.send({ jsonrpc: "2.0", id, error: { code: 1, message: "m", data: bad, cause } });
      const error = await answer.catch((reason) => reason);
      expect(error).toBeInstanceOf(CallError);
      expect(error).toMatchObject({ rpcCode: 1, message: "m", data: bad });
    }
  });

  it("that floods with what is no message fills no log", async () => {
    const [one, other] = memoryPair({ codec: json() });
    ending(other);
    const warnings: unknown[] = [];
    const warn = (warning: unknown) => void warnings.push(warning);
    process.on("warning", warn);
    const client = ending(await open(tools, { port: one as never }));
    const port = other as Channel<unknown, unknown>;
    port.on("message", (each) => {
      const { id, method } = each as { id: number; method?: string };
      if (method === "echo") void port.send({ jsonrpc: "2.0", id, result: 1 });
    });
    for (let i = 0; i < 500; i++) await port.send({ jsonrpc: "2.0", id: -1, result: 1 });
    await client.echo([]);
    await turn();
    process.off("warning", warn);
    expect(warnings).toHaveLength(10);
  });
});

describe.each(["shm", "stream"] as const)(
  "over %s, a peer that makes calls and takes no answers",
  (transport) => {
    it("is not read any more, and gets every answer when it takes them", async () => {
      const { served } = handlers();
      let handled = 0;
      const echo = (params: unknown) => {
        handled++;
        return params;
      };
      const { channel } = await wire(transport, tools, { ...served, echo } as never);
      const params = "x".repeat(2000);
      let sent = 0;
      // As long as the service takes some now and then, the peer goes on.
      for (let idle = 0; idle < 200; ) {
        const text = JSON.stringify(call(sent, "echo", { params }));
        if (channel.trySend(text)) {
          sent++;
          idle = 0;
        } else {
          idle++;
          await turn();
        }
      }
      expect(sent).toBeLessThan(50_000);
      expect(handled).toBeLessThan(20_000);
      const seen = new Set<unknown>();
      while (seen.size < sent) seen.add(JSON.parse(await channel.receive()).id);
      expect(handled).toBe(sent);
      // And again: what was relieved is read as before.
      await channel.send(JSON.stringify(call("last", "echo", {})));
      expect(JSON.parse(await channel.receive()).id).toBe("last");
    });

    it("holds nobody up when it is gone", async () => {
      const { served } = handlers();
      const { channel, directory, service } = await wire(transport, tools, served as never);
      const params = "x".repeat(2000);
      for (let idle = 0, i = 0; idle < 100; i++) {
        if (channel.trySend(JSON.stringify(call(i, "echo", { params })))) continue;
        idle++;
        await turn();
      }
      const left = new Promise((resolve) => service.once("leave", resolve));
      channel.destroy();
      await left;
      const other = ending(await open(tools, { directory }));
      expect(await other.echo([1])).toEqual([1]);
      expect(service.clients.size).toBe(1);
    });
  },
);

describe("two sides that flood each other", () => {
  it.each(["shm", "stream"] as const)("are both answered, over %s", async (transport) => {
    const theirs = contract("theirs", { echo: request(z.unknown(), z.unknown()) });
    const options = { calls: theirs, concurrency: 100_000, queue: 100_000 };
    const serves = { contract: theirs, handlers: { echo: (params: unknown) => params } };
    const { service, client } = await serving(
      transport,
      tools,
      handlers().served as never,
      options as never,
      {
        serve: { ...serves, concurrency: 100_000, queue: 100_000 } as never,
      },
    );
    const [caller] = service.clients;
    const params = { text: "x".repeat(500) };
    const flood = (echo: (params: unknown) => Promise<unknown>) =>
      Promise.all(Array.from({ length: 5000 }, () => echo(params)));
    const [ours, other] = await Promise.all([
      flood((each) => client.echo(each)),
      flood((each) => (caller!.client as unknown as { echo(params: unknown): Promise<unknown> }).echo(each)),
    ]);
    expect([ours.length, other.length]).toEqual([5000, 5000]);
  });
});

describe.each(ways)("over %s, a call", (way) => {
  const start = async () => {
    const { served, calls } = handlers();
    const reports: unknown[] = [];
    const onError = (error: unknown) => void reports.push(error);
    return {
      calls,
      reports,
      ...(await serving(way, tools, served as never, { onError, concurrency: 4, maxMessageBytes })),
    };
  };

  it.each(Object.keys(breaks))("is answered where the handler's answer can't be sent: %s", async (how) => {
    const { client, reports } = await start();
    // More often than there are places.
    for (let i = 0; i < 6; i++) {
      const error = (await client.break({ how }).catch((reason) => reason)) as CallError;
      expect(error).toBeInstanceOf(CallError);
      expect(error.rpcCode).toBe(how.startsWith("data") ? 5 : -32603);
      expect(reports.splice(0)).toHaveLength(1);
    }
    expect(await client.echo([1])).toEqual([1]);
  });

  it("leaves nothing behind when it is cancelled: 10,000 of them", async () => {
    const { client, calls } = await start();
    const seen: WeakRef<object>[] = [];
    const round = async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const pending = Array.from({ length: 1000 }, () =>
        client.hang({ text: "x" }, { signal }).catch(() => {}),
      );
      await client.health();
      controller.abort();
      await Promise.all(pending);
      await until(() => calls.every(({ cancelled }) => cancelled));
      for (const each of [pending[0]!, controller, ...calls.splice(0)]) seen.push(new WeakRef(each));
    };
    for (let i = 0; i < 10; i++) await round();
    expect(await client.echo([1])).toEqual([1]);
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as () => void;
    for (let i = 0; i < 20 && seen.some((ref) => ref.deref() !== undefined); i++) {
      await turn();
      gc();
    }
    expect(seen.length).toBeGreaterThan(20);
    expect(seen.filter((ref) => ref.deref() !== undefined)).toEqual([]);
  });
});

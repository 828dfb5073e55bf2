import jayson from "jayson";
import BrowserClient from "jayson/lib/client/browser/index.js";
import { JSONRPCClient, JSONRPCServer } from "json-rpc-2.0";
import { type Channel, json, memoryPair } from "ringbell";
import { CallError, contract, notification, open, request, serve } from "ringbell/rpc";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ending, raw, until, wire } from "./setup.js";

const math = contract("math", {
  subtract: request(
    z.union([z.tuple([z.number(), z.number()]), z.object({ minuend: z.number(), subtrahend: z.number() })]),
    z.number(),
  ),
  sum: request(z.array(z.number()), z.number()),
  get_data: request(undefined, z.tuple([z.string(), z.number()])),
  nothing: request(),
  echo: request(z.record(z.string(), z.unknown()), z.record(z.string(), z.unknown())),
  fail: request(z.object({ how: z.string() }).optional()),
  hang: request(z.object({ id: z.unknown() }), z.string()),
  update: notification(z.array(z.number())),
});

/** Answers of `hang`, by what the caller calls them. */
function handlers() {
  const updates: number[][] = [];
  const hanging = new Map<unknown, (result: string) => void>();
  return {
    updates,
    hanging,
    served: {
      subtract: (params: [number, number] | { minuend: number; subtrahend: number }) =>
        Array.isArray(params) ? params[0] - params[1] : params.minuend - params.subtrahend,
      sum: (params: number[]) => params.reduce((sum, each) => sum + each, 0),
      get_data: (): [string, number] => ["hello", 5],
      nothing: () => undefined,
      echo: (params: Record<string, unknown>) => params,
      fail: (params: { how: string } | undefined) => {
        if (params?.how === "data") throw new CallError(4001, "no", { list: [1, { two: null }] });
        throw new Error("broken");
      },
      hang: ({ id }: { id: unknown }) =>
        new Promise<string>((resolve) => {
          hanging.set(id, resolve);
        }),
      update: (params: number[]) => {
        updates.push(params);
        if (params.length === 0) throw new Error("nothing to update");
      },
    },
  };
}

async function start() {
  const { served, ...rest } = handlers();
  const peerErrors: string[] = [];
  const { service, ask, port } = await raw(math, served, { onError: () => {} });
  service.on("peerError", (error) => peerErrors.push(error.message));
  /** Sends what has no answer, and then a call; returns what came until its answer. */
  const silence = async (message: unknown) => {
    await port.send(message);
    await port.send({ jsonrpc: "2.0", id: "after", method: "sum", params: [1] });
    const seen: unknown[] = [];
    for (;;) {
      const answer = await port.receive();
      if ((answer as { id?: unknown }).id === "after") return seen;
      seen.push(answer);
    }
  };
  return { ...rest, ask, silence, port, peerErrors };
}

const error = (code: number, id: unknown) => ({
  jsonrpc: "2.0",
  id,
  error: { code, message: expect.any(String) },
});
const result = (id: unknown, value: unknown) => ({ jsonrpc: "2.0", id, result: value });
const call = (id: unknown, method: unknown, params?: unknown) => ({ jsonrpc: "2.0", id, method, params });

describe("JSON-RPC 2.0", () => {
  it.each([2, "1.0", undefined, null, "2.00"])(
    'refuses a message whose jsonrpc is not the string "2.0": %s (J1)',
    async (jsonrpc) => {
      const { ask } = await start();
      expect(await ask({ jsonrpc, id: 1, method: "sum", params: [1] })).toEqual(error(-32600, 1));
      expect(await ask({ jsonrpc, method: "sum", params: [1] })).toEqual(error(-32600, null));
    },
  );

  it("takes a message without id as a notification, and answers one whose id is null (J2)", async () => {
    const { ask, silence, updates } = await start();
    expect(await silence({ jsonrpc: "2.0", method: "update", params: [1, 2] })).toEqual([]);
    expect(updates).toEqual([[1, 2]]);
    expect(await ask(call(null, "sum", [1, 2]))).toEqual(result(null, 3));
  });

  it("takes strings, numbers and null as ids, and refuses others (J3)", async () => {
    const { ask } = await start();
    for (const id of ["", "1", 0, -1, 1.5, 1e300, null])
      expect(await ask(call(id, "sum", []))).toEqual(result(id, 0));
    for (const id of [{}, [], [1], true, false, { toString: 1 }]) {
      expect(await ask(call(id, "sum", []))).toEqual(error(-32600, null));
    }
  });

  it("refuses parameters that are neither object nor array (J4)", async () => {
    const { ask } = await start();
    for (const params of ["x", 1, true, null, ""])
      expect(await ask({ jsonrpc: "2.0", id: 1, method: "sum", params })).toEqual(error(-32600, 1));
    expect(await ask({ jsonrpc: "2.0", id: 1, method: "nothing" })).toEqual(result(1, null));
  });

  it("refuses what is JSON and no request (J6)", async () => {
    const { ask, peerErrors } = await start();
    for (const message of [1, "x", {}, null, true, { foo: "boo" }, { jsonrpc: "2.0" }]) {
      expect(await ask(message)).toEqual(error(-32600, null));
    }
    for (const method of [1, null, {}, ["sum"]]) {
      expect(await ask({ jsonrpc: "2.0", method, params: [1] })).toEqual(error(-32600, null));
    }
    expect(peerErrors.length).toBe(11);
  });

  it("answers an unknown method with its id, and an unknown notification not at all (J7)", async () => {
    const { ask, silence } = await start();
    expect(await ask(call("a", "foobar"))).toEqual(error(-32601, "a"));
    expect(await silence({ jsonrpc: "2.0", method: "foobar" })).toEqual([]);
  });

  it("refuses bad parameters, with the issues of the schema (J8)", async () => {
    const { ask } = await start();
    expect(await ask(call(1, "sum", ["one"]))).toEqual({
      jsonrpc: "2.0",
      id: 1,
      error: {
        code: -32602,
        message: expect.stringContaining("0"),
        data: { issues: [{ message: expect.any(String), path: [0] }] },
      },
    });
  });

  it("answers for a handler that fails, without a stack (J9)", async () => {
    const { ask } = await start();
    const answer = await ask(call(1, "fail"));
    expect(answer).toEqual({
      jsonrpc: "2.0",
      id: 1,
      error: { code: -32603, message: "broken", cause: { name: "Error" } },
    });
    expect(JSON.stringify(answer)).not.toContain("json-rpc.test");
  });

  it("keeps the reserved codes for itself, and carries an application's own (J10, J22)", async () => {
    const { ask } = await start();
    expect(await ask(call(1, "fail", { how: "data" }))).toEqual({
      jsonrpc: "2.0",
      id: 1,
      error: { code: 4001, message: "no", data: { list: [1, { two: null }] } },
    });
  });

  it("registers no method that begins with rpc. (J11)", async () => {
    expect(() => contract("bad", { "rpc.x": request() })).toThrow(/rpc\./);
    const [one] = memoryPair({ codec: json() });
    ending(one);
    const plain = contract<{ x(): Promise<void> }>("plain");
    const port = { port: one as never };
    await expect(serve(plain, { x: () => {}, "rpc.x": () => {} } as never, port)).rejects.toThrow(/rpc\./);
    const { ask, silence } = await start();
    expect(await ask(call(1, "rpc.foo"))).toEqual(error(-32601, 1));
    expect(await ask(call(1, "rpc.cancel", { id: 1 }))).toEqual(error(-32601, 1));
    expect(await silence({ jsonrpc: "2.0", method: "rpc.foo", params: [1] })).toEqual([]);
  });

  it("sends null for a handler's undefined (J13)", async () => {
    const { ask } = await start();
    expect(await ask(call(1, "nothing"))).toEqual({ jsonrpc: "2.0", id: 1, result: null });
  });

  it("answers no well-formed notification, whatever fails (J14)", async () => {
    const { ask, silence, updates } = await start();
    const bad = [
      { jsonrpc: "2.0", method: "foobar" },
      { jsonrpc: "2.0", method: "update", params: { not: "numbers" } },
      { jsonrpc: "2.0", method: "update", params: [] },
      { jsonrpc: "2.0", method: "fail" },
      { jsonrpc: "2.0", method: "hang", params: {} },
    ];
    for (const message of bad) expect(await silence(message)).toEqual([]);
    expect(await silence(bad)).toEqual([]);
    expect(updates).toEqual([[], []]);
    expect(await ask({ jsonrpc: "2.0", method: 1, params: "bar" })).toEqual(error(-32600, null));
  });

  it("answers an empty batch with one error (J15)", async () => {
    const { ask } = await start();
    expect(await ask([])).toEqual(error(-32600, null));
  });

  it("answers a batch of invalid requests with as many errors (J16, J17)", async () => {
    const { ask } = await start();
    const bad = error(-32600, null);
    expect(await ask([1])).toEqual([bad]);
    expect(await ask([1, 2, 3])).toEqual([bad, bad, bad]);
    expect(await ask([[call(1, "sum", [1])], []])).toEqual([bad, bad]);
  });

  it("answers a mixed batch with one response for each request (J18)", async () => {
    const { ask, updates } = await start();
    const answers = await ask([
      call("1", "sum", [1, 2, 4]),
      { jsonrpc: "2.0", method: "update", params: [7] },
      call("2", "subtract", [42, 23]),
      { foo: "boo" },
      call("5", "foo.get", { name: "myself" }),
      call("9", "get_data"),
    ]);
    expect(answers).toHaveLength(5);
    expect(answers).toEqual(
      expect.arrayContaining([
        result("1", 7),
        result("2", 19),
        error(-32600, null),
        error(-32601, "5"),
        result("9", ["hello", 5]),
      ]),
    );
    expect(updates).toEqual([[7]]);
  });

  it("waits for the slowest call of a batch, and for none that was cancelled (J18)", async () => {
    const { ask, port, hanging } = await start();
    const answers = ask([call(1, "hang", { id: "a" }), call(2, "hang", { id: "b" }), call(3, "sum", [1])]);
    await until(() => hanging.size === 2);
    await port.send({ jsonrpc: "2.0", method: "rpc.cancel", params: { id: 1 } });
    hanging.get("b")!("b");
    hanging.get("a")!("a");
    expect(await answers).toEqual(expect.arrayContaining([result(3, 1), result(2, "b")]));
    expect(await answers).toHaveLength(2);
  });

  it("answers a batch of notifications not at all (J19)", async () => {
    const { silence, updates } = await start();
    const update = (number: number) => ({ jsonrpc: "2.0", method: "update", params: [number] });
    expect(await silence([update(1), update(2)])).toEqual([]);
    expect(updates).toEqual([[1], [2]]);
  });

  it("answers calls in any order, by their ids (J21)", async () => {
    const { port, hanging } = await start();
    for (const id of [1, 2, 3]) await port.send(call(id, "hang", { id }));
    await until(() => hanging.size === 3);
    for (const id of [3, 1, 2]) hanging.get(id)!(`the ${id}`);
    const answers = [await port.receive(), await port.receive(), await port.receive()];
    expect(answers).toEqual([3, 1, 2].map((id) => result(id, `the ${id}`)));
  });

  it("refuses a call whose id is under way, and keeps the first (J23)", async () => {
    const { ask, port, hanging } = await start();
    for (const id of [7, "7", null]) {
      await port.send(call(id, "hang", { id }));
      await until(() => hanging.has(id));
      expect(await ask(call(id, "sum", [1]))).toEqual(error(-32600, id));
      hanging.get(id)!("first");
      expect(await port.receive()).toEqual(result(id, "first"));
      expect(await ask(call(id, "sum", [1]))).toEqual(result(id, 1));
    }
  });

  it("takes a batch of 1000, and refuses a longer one as a whole (J26)", async () => {
    const { ask } = await start();
    const batch = Array.from({ length: 1000 }, (_, id) => call(id, "sum", [id]));
    expect(await ask(batch)).toHaveLength(1000);
    expect(await ask([...batch, call(1000, "sum", [])])).toEqual(error(-32600, null));
  });

  it("carries a key that could set a prototype, huge numbers and lone surrogates as they are (J27)", async () => {
    const { ask } = await start();
    const params = JSON.parse('{"constructor": {"prototype": {"bad": 1}}, "big": 1e300, "odd": "\\ud800"}');
    expect(await ask(call("\ud800", "echo", params))).toEqual(result("\ud800", params));
    expect(await ask(call(2 ** 53, "echo", {}))).toEqual(result(2 ** 53, {}));
    expect(({} as { bad?: unknown }).bad).toBe(undefined);
  });
});

describe.each(["shm", "stream"] as const)("JSON-RPC 2.0 as text, over %s", (transport) => {
  it("answers text that is no JSON once, with id null, and goes on (J5, J20)", async () => {
    const { ask } = await wire(transport, math, handlers().served);
    const broken = [
      '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
      '[{"jsonrpc": "2.0", "method": "sum", "params": [1], "id": "1"}, {"jsonrpc": "2.0", "method"',
      "",
      "{",
    ];
    for (const text of broken) expect(await ask(text)).toEqual(error(-32700, null));
    expect(await ask('{"jsonrpc":"2.0","id":1,"method":"sum","params":[1,2]}')).toEqual(result(1, 3));
  });

  it("pollutes no prototype, and takes the last of duplicate keys (J27)", async () => {
    const { ask } = await wire(transport, math, handlers().served);
    const answer = await ask(
      '{"jsonrpc":"2.0","id":9,"id":1,"method":"echo","params":{"__proto__":{"bad":1},"a":1,"a":2,"big":1e999},"__proto__":{"method":"x"}}',
    );
    expect(answer).toMatchObject({ id: 1, result: { a: 2 } });
    expect(({} as { bad?: unknown }).bad).toBe(undefined);
    for (const method of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      expect(await ask(`{"jsonrpc":"2.0","id":1,"method":"${method}"}`)).toEqual(error(-32601, 1));
    }
  });

  it("keeps equal ids of two callers apart (J24)", async () => {
    const { hanging, served } = handlers();
    const one = await wire(transport, math, served);
    const other = ending(await open(math, { directory: one.directory }));
    const second = other.hang({ id: "b" });
    await one.channel.send('{"jsonrpc":"2.0","id":1,"method":"hang","params":{"id":"a"}}');
    await until(() => hanging.size === 2);
    hanging.get("a")!("for a");
    hanging.get("b")!("for b");
    expect(JSON.parse(await one.channel.receive())).toEqual(result(1, "for a"));
    expect(await second).toBe("for b");
  });
});

describe("a caller", () => {
  async function caller() {
    const [one, other] = memoryPair({ codec: json() });
    ending(other);
    const errors: string[] = [];
    const client = ending(
      await open(math, { port: one as never, onPeerError: ({ message }) => errors.push(message) }),
    );
    const port = other as Channel<unknown, unknown>;
    return { client, port, errors };
  }

  it("takes an answer that has one of result and error, and else fails the call and reports it (J12)", async () => {
    const { client, port, errors } = await caller();
    const bad = [
      { result: 1, error: { code: 1, message: "x" } },
      { result: null, error: { code: 1, message: "x" } },
      { result: 1, error: null },
      {},
      { error: null },
      { error: "x" },
      { error: { code: 1.5, message: "x" } },
      { error: { code: 1 } },
      { error: { code: 1, message: { toString: 1 } } },
    ];
    for (const [i, members] of bad.entries()) {
      const sum = client.sum([1]);
      const { id } = (await port.receive()) as { id: number };
      await port.send({ jsonrpc: "2.0", id, ...members });
      await expect(sum, JSON.stringify(members)).rejects.toMatchObject({ code: "ERR_RINGBELL_DECODE" });
      expect(errors).toHaveLength(i + 1);
    }
    const sum = client.sum([1]);
    const { id } = (await port.receive()) as { id: number };
    await port.send({ jsonrpc: "1.0", id, result: 1 });
    await expect(sum).rejects.toMatchObject({ code: "ERR_RINGBELL_DECODE" });
    // No answer went out: a peer could take it for one to a call of its own.
    const next = client.sum([1]);
    expect(await port.receive()).toMatchObject({ method: "sum" });
    await port.send({ jsonrpc: "2.0", id: 11, result: 2 });
    expect(await next).toBe(2);
  });

  it("reports an answer to no call, and is silent about a late one (J25)", async () => {
    const { client, port, errors } = await caller();
    const controller = new AbortController();
    const sum = client.sum([1], { signal: controller.signal });
    const { id } = (await port.receive()) as { id: number };
    controller.abort();
    await expect(sum).rejects.toMatchObject({ name: "AbortError" });
    expect(await port.receive()).toEqual({ jsonrpc: "2.0", method: "rpc.cancel", params: { id } });
    await port.send(result(id, 1));
    for (const unknown of [id + 1, "1", null, -1, 0, 1e300]) await port.send(result(unknown, 1));
    await until(() => errors.length === 6);
    expect(errors[0]).toContain(`id ${id + 1}`);
  });
});

describe("a service of ours", () => {
  const { served, updates } = handlers();

  it("is called by json-rpc-2.0 (S4.11)", async () => {
    const { port } = await raw(math, served, { onError: () => {} });
    const client = new JSONRPCClient(async (payload) => port.send(payload));
    port.on("message", (message) => client.receive(message as never));
    expect(await client.request("subtract", { minuend: 42, subtrahend: 23 })).toBe(19);
    expect(await client.request("nothing", undefined)).toBe(null);
    client.notify("update", [3]);
    await expect(client.request("foobar", [])).rejects.toMatchObject({ code: -32601 });
    await expect(client.request("fail", { how: "data" })).rejects.toMatchObject({
      code: 4001,
      message: "no",
      data: { list: [1, { two: null }] },
    });
    const batch = await client.requestAdvanced([
      { jsonrpc: "2.0", id: 1, method: "sum", params: [1, 2] },
      { jsonrpc: "2.0", id: 2, method: "sum", params: ["x"] },
    ]);
    expect(batch).toMatchObject([{ result: 3 }, { error: { code: -32602 } }]);
    expect(updates.at(-1)).toEqual([3]);
  });

  it("is called by jayson (S4.11)", async () => {
    const { port } = await raw(math, served, { onError: () => {} });
    const waiting: ((error: null, response: string) => void)[] = [];
    const client = new BrowserClient(
      (request: string, callback: (error: null, response?: string) => void) => {
        const message = JSON.parse(request) as { id?: unknown };
        void port.send(message);
        if (message.id === undefined && !Array.isArray(message)) callback(null);
        else waiting.push(callback);
      },
      {},
    );
    port.on("message", (message) => waiting.shift()?.(null, JSON.stringify(message)));
    const ask = (method: string, params: object) =>
      new Promise((resolve, reject) => {
        client.request(method, params, (failure: unknown, error: unknown, value: unknown) =>
          failure || error ? reject(failure ?? error) : resolve(value),
        );
      });
    expect(await ask("subtract", [42, 23])).toBe(19);
    await expect(ask("foobar", [])).rejects.toMatchObject({ code: -32601 });
    await expect(ask("sum", ["x"])).rejects.toMatchObject({ code: -32602 });
    const batch = [client.request("sum", [1, 2], undefined), client.request("get_data", {}, undefined)];
    const answers = await new Promise((resolve) => {
      client.request(batch, (_: unknown, responses: unknown) => resolve(responses));
    });
    expect(answers).toMatchObject([{ result: 3 }, { result: ["hello", 5] }]);
  });
});

describe("a caller of ours", () => {
  async function calling(answer: (message: unknown, reply: (response: unknown) => void) => void) {
    const [one, other] = memoryPair({ codec: json() });
    ending(other);
    const port = other as Channel<unknown, unknown>;
    port.on("message", (message) => answer(message, (response) => void port.send(response)));
    return ending(await open(math, { port: one as never }));
  }

  async function check(client: Awaited<ReturnType<typeof calling>>, updates: unknown[]) {
    expect(await client.subtract([42, 23])).toBe(19);
    expect(await Promise.all([client.sum([1, 2]), client.sum([3, 4])])).toEqual([3, 7]);
    await client.update([5]);
    await expect(client.hang({ id: 1 })).rejects.toMatchObject({ rpcCode: -32601 });
    await expect(client.fail({ how: "data" })).rejects.toMatchObject({
      rpcCode: 4001,
      message: "no",
      data: { why: "so" },
    });
    expect(updates).toEqual([[5]]);
    expect(await client.health()).toBe("healthy");
  }

  it("calls a server of json-rpc-2.0 (S4.11)", async () => {
    const updates: unknown[] = [];
    const server = new JSONRPCServer({ errorListener: () => {} });
    server.addMethod("subtract", ([a, b]: [number, number]) => a - b);
    server.addMethod("sum", (params: number[]) => params.reduce((sum, each) => sum + each, 0));
    server.addMethod("update", (params: unknown) => void updates.push(params));
    server.mapErrorToJSONRPCErrorResponse = (id, thrown) => ({
      jsonrpc: "2.0",
      id,
      error: { code: (thrown as { code: number }).code, message: "no", data: { why: "so" } },
    });
    server.addMethod("fail", () => {
      throw Object.assign(new Error("no"), { code: 4001 });
    });
    const client = await calling(async (message, reply) => {
      const response = await server.receive(message as never);
      if (response !== null) reply(response);
    });
    await check(client, updates);
  });

  it("calls a server of jayson (S4.11)", async () => {
    const updates: unknown[] = [];
    type Callback = (error: unknown, value?: unknown) => void;
    const server = new jayson.Server({
      subtract: ([a, b]: [number, number], done: Callback) => done(null, a - b),
      sum: (params: number[], done: Callback) =>
        done(
          null,
          params.reduce((sum, each) => sum + each, 0),
        ),
      update: (params: unknown, done: Callback) => {
        updates.push(params);
        done(null);
      },
      fail: (_: unknown, done: Callback) => done({ code: 4001, message: "no", data: { why: "so" } }),
    });
    const client = await calling((message, reply) => {
      server.call(message as never, (error, response) => {
        const answer = error ?? response;
        if (answer !== undefined && answer !== null) reply(answer);
      });
    });
    await check(client, updates);
  });
});

import { setTimeout as sleep } from "node:timers/promises";
import { PeerDiedError } from "ringbell";
import { type Call, CallLostError, contract, open, request, serve, stream } from "ringbell/rpc";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { child, ending, privateDirectory, program, until } from "./setup.js";

const work = contract("work", {
  hang: request(z.object({ id: z.number() }).optional(), z.number()),
  echo: request(z.unknown(), z.unknown()),
  exit: request(z.object({ code: z.number() }), z.number(), { progress: z.number() }),
  count: stream(z.object({ to: z.number() }).optional(), z.number()),
  sum: request(undefined, z.number(), { input: z.number() }),
});

const HANDLERS = `{
  hang: () => new Promise(() => {}),
  echo: (params) => params,
  exit: async ({ code }, call) => {
    await call.progress(code);
    process.exit(code);
  },
  async *count() {
    for (let i = 0; ; i++) yield i;
  },
  sum: async (_, { input }) => {
    let sum = 0;
    for await (const item of input) sum += item;
    return sum;
  },
}`;

/** Rejections that nobody has handled: there must be none, in this process and in the children. */
const unhandled: unknown[] = [];
const note = (error: unknown) => void unhandled.push(error);
beforeEach(() => void process.on("unhandledRejection", note));
afterEach(async () => {
  await sleep(5);
  process.off("unhandledRejection", note);
  expect(unhandled.splice(0)).toEqual([]);
});

async function* endless() {
  for (let i = 0; ; i++) {
    yield i;
    if (i % 100 === 0) await sleep(1);
  }
}

/** A caller in a process of its own, of a service here. */
async function calledBy(transport: "shm" | "stream", code: string) {
  const calls: Call[] = [];
  const aborted: unknown[] = [];
  const left: (Error | undefined)[] = [];
  let generators = 0;
  const directory = privateDirectory();
  const handlers = {
    hang: (_: unknown, call: Call) => {
      calls.push(call);
      call.signal.addEventListener("abort", () => aborted.push(call.signal.reason));
      return new Promise<number>(() => {});
    },
    echo: (params: unknown) => params,
    exit: async (_: unknown, call: Call) => {
      calls.push(call);
      // Reports that nobody awaits, to a caller that may be gone.
      for (let i = 0; i < 20_000; i++) void call.progress(i);
      while (!call.cancelled) await sleep(1);
      void call.progress(0);
      return 0;
    },
    async *count(_: unknown, call: Call) {
      calls.push(call);
      generators++;
      try {
        for (let i = 0; ; i++) yield i;
      } finally {
        generators--;
      }
    },
    sum: async (_: unknown, call: Call) => {
      calls.push(call);
      for await (const _item of call.input) {
        // Until the caller is gone.
      }
      return 0;
    },
  };
  const service = ending(await serve(work, handlers as never, { directory, transport, onError: () => {} }));
  service.on("leave", (_client, error) => left.push(error));
  const caller = program(
    `const client = await open(contract("work", { hang: request(z, z), echo: request(z, z), exit: request(z, z, { progress: z }), count: stream(z, z), sum: request(z, z, { input: z }) }), { directory });
${code}`.replace(
      /^/,
      'const z = { "~standard": { version: 1, vendor: "x", validate: (value) => ({ value }) } };\n',
    ),
    directory,
  );
  return { service, calls, aborted, left, generators: () => generators, ...caller };
}

describe.each(["shm", "stream"] as const)("a service over %s that is killed", (transport) => {
  it("loses fifty calls, which say that they may have run, and why (S0.29)", async () => {
    const { client, child: service } = await child(transport, work, HANDLERS);
    const calls = Array.from({ length: 50 }, (_, id) => client.hang({ id }));
    const lost = Promise.allSettled(calls);
    await client.echo([]);
    service.kill("SIGKILL");
    for (const each of await lost) {
      expect(each.status).toBe("rejected");
      const { reason } = each as PromiseRejectedResult;
      expect(reason).toBeInstanceOf(CallLostError);
      expect(reason).toMatchObject({ mayHaveRun: true });
      expect(reason.cause).toBeInstanceOf(PeerDiedError);
    }
    expect(await client.health()).toBe("dead");
    await expect(client.echo([])).rejects.toMatchObject({ mayHaveRun: false });
  });

  it("brings down nobody who awaits nothing: calls, notifications, streams, input", async () => {
    const { client, child: service } = await child(transport, work, HANDLERS);
    void client.hang();
    void client.sum(undefined, { input: endless() });
    const items = client.count();
    await items.next();
    const left = sleep(1).then(() => items.next());
    void left.catch(() => {});
    service.kill("SIGKILL");
    await client.closed;
    void client.hang();
    void client.echo([]);
    await sleep(5);
  });

  it("says of a call that waited for room that it did not run", async () => {
    const { client, child: service } = await child(transport, work, HANDLERS);
    await client.echo([]);
    service.kill("SIGSTOP");
    const text = "x".repeat(10_000);
    const calls = Array.from({ length: 1000 }, () => client.echo({ text }).catch((error) => error));
    service.kill("SIGKILL");
    const errors = await Promise.all(calls);
    expect(errors.every((error) => error instanceof CallLostError)).toBe(true);
    const may = (errors as CallLostError[]).map(({ mayHaveRun }) => mayHaveRun);
    expect(may[0]).toBe(true);
    // The kernel may have passed on what waits at a socket.
    expect(may.at(-1)).toBe(transport === "stream");
    if (transport === "shm") expect(may.lastIndexOf(true)).toBeLessThan(may.indexOf(false));
  });

  it("gives the items that have come, and then the reason", async () => {
    const { client, child: service } = await child(transport, work, HANDLERS);
    const items = client.count();
    let next = 0;
    const read = async () => {
      for await (const item of items) {
        expect(item).toBe(next++);
        if (next === 1000) service.kill("SIGKILL");
      }
    };
    await expect(read()).rejects.toMatchObject({ code: "ERR_RINGBELL_CALL_LOST", mayHaveRun: true });
    expect(next).toBeGreaterThanOrEqual(1000);
    expect(await items.next()).toEqual({ done: true, value: undefined });
  });

  it("and one that exits within a handler, are told apart by nothing: the call may have run", async () => {
    const { client, ended } = await child(transport, work, HANDLERS);
    const reports: number[] = [];
    const call = client.exit({ code: 3 }, { onProgress: (report) => void reports.push(report) });
    await expect(call).rejects.toMatchObject({ code: "ERR_RINGBELL_CALL_LOST", mayHaveRun: true });
    expect(await ended).toMatchObject({ code: 3 });
    expect(reports).toEqual([3]);
  });
});

describe.each(["shm", "stream"] as const)("a service over %s that closes", (transport) => {
  it("ends a stream that is being read, and the calls that run", async () => {
    const { client, ended, said } = await child(
      transport,
      work,
      `{ ...${HANDLERS}, echo: async () => { await service.close({ timeout: 100 }); report("closed"); } }`,
    );
    const hanging = client.hang();
    const closing = client.echo([]);
    const read = async () => {
      let next = 0;
      for await (const item of client.count()) expect(item).toBe(next++);
    };
    const [one, other, items] = await Promise.allSettled([hanging, closing, read()]);
    for (const each of [one, other, items]) {
      expect(each).toMatchObject({ status: "rejected", reason: { code: "ERR_RINGBELL_CALL_LOST" } });
    }
    await said("closed");
    expect(await ended).toMatchObject({ code: 0 });
  });
});

describe.each(["shm", "stream"] as const)("a caller over %s that is killed", (transport) => {
  it("has its handlers aborted, its streams ended, and leaves", async () => {
    const {
      child: caller,
      calls,
      aborted,
      left,
      service,
      generators,
    } = await calledBy(
      transport,
      `for (let i = 0; i < 50; i++) client.hang({ id: i });
const items = client.count();
await items.next();
client.sum(undefined, { input: (async function* () { for (;;) { yield 1; await turn(); } })() });
report("called");`,
    );
    await until(() => calls.length === 52);
    expect(generators()).toBe(1);
    caller.kill("SIGKILL");
    await until(() => left.length === 1);
    await until(() => aborted.length === 50 && generators() === 0);
    expect(left[0]).toBeInstanceOf(PeerDiedError);
    for (const reason of aborted) expect(reason).toBeInstanceOf(PeerDiedError);
    expect(calls.every((call) => call.cancelled)).toBe(true);
    expect(service.clients.size).toBe(0);
  });

  it("while it floods leaves nothing behind, and others are served", async () => {
    const {
      child: caller,
      left,
      service,
      directory,
    } = await calledBy(
      transport,
      `const flood = () => { for (let i = 0; i < 1000; i++) { client.echo({ text: "x".repeat(1000) }); client.hang({ id: i }).catch(() => {}); } setImmediate(flood); };
flood();`,
    );
    await until(() => service.clients.size === 1);
    const other = ending(await open(work, { directory }));
    for (let i = 0; i < 20; i++)
      expect(await other.echo([i]).catch((error) => error.rpcCode)).toSatisfy(
        (answer) => answer === -32000 || (answer as number[])[0] === i,
      );
    caller.kill("SIGKILL");
    await until(() => left.length === 1);
    expect(service.clients.size).toBe(1);
    expect(await other.health()).toBe("healthy");
  });

  it("while a handler reports to it, which awaits nothing", async () => {
    const {
      child: caller,
      calls,
      left,
    } = await calledBy(
      transport,
      `client.exit({ code: 0 }, { onProgress: () => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_000); } });`,
    );
    await until(() => calls.length === 1);
    await sleep(20);
    caller.kill("SIGKILL");
    await until(() => left.length === 1 && calls[0]!.cancelled);
  });
});

describe.each(["shm", "stream"] as const)("a program over %s", (transport) => {
  const both = (handlers: string, code: string) => `
const any = { "~standard": { version: 1, vendor: "x", validate: (value) => ({ value }) } };
const tools = contract("tools", { go: request(any, any, { progress: any }), count: stream(any, any), log: notification(any) });
const uncaught = [];
process.on("uncaughtException", (error) => uncaught.push(error.message));
const service = await serve(tools, ${handlers}, { directory, transport: "${transport}", concurrency: 2, onError: globalThis.onError });
const client = await open(tools, { directory });
${code}
await client.close().catch(() => {});
await service.close();
report(JSON.stringify(uncaught));
report("done");`;
  const run = async (handlers: string, code: string, before = "") => {
    const { ended, lines } = program(before + both(handlers, code));
    const { code: status, output } = await ended;
    expect(output).toContain("done\n");
    expect(status).toBe(0);
    return lines;
  };

  it("whose onProgress throws hears of it as an uncaught exception, and the call goes on", async () => {
    const lines = await run(
      "{ go: async (_, call) => { await call.progress(1); await call.progress(2); return 3; }, count: () => [], log() {} }",
      `report("result " + await client.go({}, { onProgress: (n) => { throw new Error("report " + n); } }));`,
    );
    expect(lines).toContain("result 3");
    expect(lines).toContain('["report 1","report 2"]');
  });

  it("whose onError throws goes on, and keeps its places", async () => {
    const lines = await run(
      `{ go: async () => { throw new Error("no"); }, count: () => [], log() { throw new Error("no"); } }`,
      `for (let i = 0; i < 10; i++) await client.go({}).catch(({ message }) => report(message + i));
for (let i = 0; i < 5; i++) await client.log({});
await client.go({}).catch(() => report("last"));`,
      `globalThis.onError = () => { throw new Error("on error"); };\n`,
    );
    expect(lines).toContain("no9");
    expect(lines).toContain("last");
    expect(lines).toContain(JSON.stringify(Array.from({ length: 16 }, () => "on error")));
  });

  it("whose handler closes its own connection, or its caller's, ends the calls", async () => {
    const lines = await run(
      `{ go: ({ how }, call) => { const { port } = call.client; if (how === "destroy") port.destroy(new Error("enough")); else port.close(); return new Promise(() => {}); }, count: () => [], log() {} }`,
      `for (const how of ["destroy", "close"]) {
  const other = await open(tools, { directory });
  await other.go({ how }).catch(({ code }) => report(how + " " + code));
}`,
    );
    expect(lines).toContain("destroy ERR_RINGBELL_CALL_LOST");
    expect(lines).toContain("close ERR_RINGBELL_CALL_LOST");
    expect(lines).toContain("[]");
  });

  it("that aborts, or ends the connection, in onProgress is left alone", async () => {
    const lines = await run(
      "{ go: async (_, call) => { for (let i = 0; i < 100; i++) await call.progress(i); return 3; }, count: () => [], log() {} }",
      `for (const how of ["abort", "destroy", "close", "call"]) {
  const other = await open(tools, { directory });
  const controller = new AbortController();
  let reports = 0;
  const onProgress = () => {
    reports++;
    if (how === "abort") controller.abort();
    if (how === "destroy") other.port.destroy();
    if (how === "close") other.close();
    if (how === "call") other.log({});
  };
  const result = await other.go({}, { onProgress, signal: controller.signal }).catch(({ name }) => name);
  report(how + " " + result + (how === "abort" ? reports : ""));
  await other.close();
}`,
    );
    expect(lines).toContain("abort AbortError1");
    expect(lines).toContain("destroy CallLostError");
    expect(lines).toContain("call 3");
    expect(lines.some((line) => line.startsWith("close "))).toBe(true);
    expect(lines).toContain("[]");
  });

  it("whose streams throw when they are left goes on", async () => {
    const lines = await run(
      `{
  go: () => 1,
  count: ({ how }) => {
    if (how === "async") return (async function* () { try { for (;;) yield 1; } finally { throw new Error("left"); } })();
    if (how === "sync") return (function* () { try { for (;;) yield 1; } finally { throw new Error("left"); } })();
    if (how === "return") return { [Symbol.iterator]: () => ({ next: () => ({ done: false, value: 1 }), return: () => { throw new Error("left"); } }) };
    if (how === "getter") return { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: 1 }), get return() { throw new Error("left"); } }) };
    if (how === "later") return Promise.resolve([1, 1, 1]);
    if (how === "no iterator") return { [Symbol.asyncIterator]() { throw new Error("none"); } };
    if (how === "no object") return { [Symbol.iterator]: () => ({ next: () => 5 }) };
    return 5;
  },
  log() {},
}`,
      `for (const how of ["async", "sync", "return", "getter", "later", "no iterator", "nothing"]) {
  const seen = [];
  try { for await (const item of client.count({ how })) { seen.push(item); if (seen.length === 2) break; } } catch (error) { seen.push(error.message); }
  report(how + " " + seen + " " + await client.go({}));
}`,
    );
    for (const how of ["async", "sync", "return", "getter", "later"]) expect(lines).toContain(`${how} 1,1 1`);
    expect(lines).toContain("no iterator none 1");
    expect(lines.find((line) => line.startsWith("nothing "))).toMatch(/must return an iterable 1$/);
    expect(lines).toContain("[]");
  });
});

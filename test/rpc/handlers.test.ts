import { EventEmitter } from "node:events";
import { InvalidArgumentError } from "ringbell";
import { contract, open, serve } from "ringbell/rpc";
import { describe, expect, it } from "vitest";
import { ending, privateDirectory, program } from "./setup.js";

interface Tools {
  add(params: { a: number; b: number }): Promise<number>;
}
type Any = Record<string, (params?: object) => Promise<unknown>>;

describe("the handlers of a contract of types", () => {
  it("are the object's own functions, and nothing that it inherits", async () => {
    class Handlers extends EventEmitter {
      readonly add = ({ a, b }: { a: number; b: number }) => a + b;
      readonly limit = 5;
      secret() {
        return "secret";
      }
    }
    const directory = privateDirectory();
    ending(await serve(contract<Tools>("tools"), new Handlers() as never, { directory }));
    const client = ending(await open(contract<Tools>("tools"), { directory }));
    expect(await client.add({ a: 1, b: 2 })).toBe(3);
    const any = client as unknown as Any;
    for (const name of ["secret", "emit", "on", "constructor", "toString", "limit", "__proto__"]) {
      const method = any[name];
      if (typeof method !== "function" || name === "on") continue;
      const answer = await Promise.resolve(method({})).catch((error) => error);
      if (answer instanceof Error) expect(answer, name).toMatchObject({ rpcCode: -32601 });
    }
    const raw = any as unknown as { secret(): Promise<unknown>; emit(params: object): Promise<unknown> };
    await expect(raw.secret()).rejects.toMatchObject({ rpcCode: -32601 });
    await expect(raw.emit({})).rejects.toMatchObject({ rpcCode: -32601 });
  });

  it("are not the methods of a class, which are told at once", async () => {
    class Handlers {
      async add({ a, b }: { a: number; b: number }) {
        return a + b;
      }
    }
    const refused = serve(contract<Tools>("tools"), new Handlers(), { directory: privateDirectory() });
    await expect(refused).rejects.toBeInstanceOf(InvalidArgumentError);
  });

  it("fail, and say why, where a generator's method is no stream in the contract", async () => {
    const directory = privateDirectory();
    const reported: unknown[] = [];
    const handlers = {
      *sync() {
        yield 1;
      },
      async *later() {
        yield 1;
      },
      array: () => [1],
      map: () => ({ next: 1 }),
    };
    const onError = (error: unknown) => reported.push(error);
    ending(await serve(contract("tools"), handlers as never, { directory, onError }));
    const client = ending(await open(contract("tools"), { directory })) as unknown as Any;
    for (const name of ["sync", "later"])
      await expect(client[name]!()).rejects.toThrow(/name the method as a stream in the contract/);
    expect(reported).toHaveLength(2);
    expect(await client.array!()).toEqual([1]);
    expect(await client.map!()).toEqual({ next: 1 });
  });
});

describe("calls between two processes without the addon", () => {
  it("are answered, report, stream, and are cancelled", async () => {
    const directory = privateDirectory();
    const before = process.env.RINGBELL_NO_ADDON;
    process.env.RINGBELL_NO_ADDON = "1";
    try {
      const service = program(
        `await serve(contract("tools", { count: "stream" }), {
           echo: (params) => params,
           work: async (_, call) => { await call.progress(1); while (!call.cancelled) await turn(); report("cancelled"); },
           async *count({ to }) { for (let i = 0; i < to; i++) yield i; },
         }, { directory });
         report("serving");`,
        directory,
      );
      await service.said("serving");
      const caller = program(
        `const client = await open(contract("tools", { count: "stream" }), { directory });
         const controller = new AbortController();
         const echoed = await client.echo({ text: "x".repeat(300_000) });
         let sum = 0;
         for await (const item of client.count({ to: 1000 })) sum += item;
         const options = { signal: controller.signal, onProgress: () => controller.abort() };
         const cancelled = await client.work(undefined, options).catch(({ name }) => name);
         report([client.port.transport, echoed.text.length, sum, cancelled, await client.health(), client.port.cells].join());
         await client.close();`,
        directory,
      );
      await caller.said("stream,300000,499500,AbortError,healthy,");
      await service.said("cancelled");
    } finally {
      if (before === undefined) delete process.env.RINGBELL_NO_ADDON;
      else process.env.RINGBELL_NO_ADDON = before;
    }
  });
});

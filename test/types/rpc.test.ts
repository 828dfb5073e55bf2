import {
  type Call,
  type Client,
  contract,
  notification,
  open,
  type RpcPort,
  request,
  serve,
  stream,
} from "ringbell/rpc";
import { describe, expectTypeOf, it } from "vitest";
import { z } from "zod";
import type { Block, Channel, Lane } from "../../lib/index.js";

/*
 * What stands in functions here is compiled, by `npm run typecheck`, and never runs. A line that must not compile is marked; the mark
 * itself fails where the line compiles.
 */

const tools = contract("tools", {
  search: request(z.object({ q: z.string() }), z.array(z.string())),
  index: request(z.object({ dir: z.string() }), z.object({ files: z.number() }), {
    progress: z.object({ done: z.number() }),
  }),
  upload: request(z.object({ name: z.string() }), z.number(), { input: z.string() }),
  tail: stream(z.object({ file: z.string() }), z.string()),
  log: notification(z.object({ line: z.string() })),
  nothing: request(),
  /** What is given is not what is got. */
  length: request(
    z.object({ text: z.string().transform((text) => text.length) }),
    z.number().transform((length) => `${length}`),
  ),
});

const handlers = {
  search: ({ q }: { q: string }) => [q],
  index: async () => ({ files: 1 }),
  upload: async () => 1,
  tail: async function* () {
    yield "line";
  },
  log: () => {},
  nothing: () => {},
  length: ({ text }: { text: number }) => text,
};

interface Tools {
  search(params: { q: string }): Promise<string[]>;
  sum(params: { numbers: number[] }): number;
  ping(): Promise<"pong">;
  tail(params: { file: string }): AsyncIterable<string>;
  log(params: { line: string }): void;
}

interface Plain {
  add(params: { a: number; b: number }): Promise<number>;
}

/** Results that are unions, or that fit everything. */
interface Unions {
  has(params: { key: string }): boolean;
  find(params: { key: string }): Promise<string | undefined>;
  either(): number | string;
  // biome-ignore lint/suspicious/noExplicitAny: it fits everything, and must be no stream for that.
  anything(): any;
  fails(): never;
  both(): AsyncIterable<string> | AsyncIterable<number>;
}

describe("a client of a contract of schemas", () => {
  it("has the methods of the contract, and no others", () => {
    const use = async (client: Client<typeof tools>) => {
      expectTypeOf(await client.search({ q: "bell" })).toEqualTypeOf<string[]>();
      expectTypeOf(await client.index({ dir: "." })).toEqualTypeOf<{ files: number }>();
      expectTypeOf(await client.nothing()).toEqualTypeOf<undefined>();
      expectTypeOf(await client.log({ line: "x" })).toEqualTypeOf<void>();
      for await (const line of client.tail({ file: "x" })) expectTypeOf(line).toEqualTypeOf<string>();
      // @ts-expect-error: no such method.
      await client.serch({ q: "bell" });
      // @ts-expect-error: a parameter of another type.
      await client.search({ q: 5 });
      // @ts-expect-error: a parameter that is missing.
      await client.search({});
      // @ts-expect-error: no parameters.
      await client.search();
      // @ts-expect-error: a parameter that the method does not have.
      await client.search({ q: "bell", limit: 5 });
      // @ts-expect-error: parameters for a method that has none.
      await client.nothing({ q: "bell" });
      // @ts-expect-error: the result is an array of strings.
      const wrong: number[] = await client.search({ q: "bell" });
      // @ts-expect-error: the items are strings.
      for await (const line of client.tail({ file: "x" })) line.toFixed();
      // @ts-expect-error: a stream is no promise.
      client.tail({ file: "x" }).then;
      // @ts-expect-error: a request is no stream.
      for await (const _ of client.search({ q: "bell" }));
      // @ts-expect-error: a notification has no options.
      await client.log({ line: "x" }, { timeout: 5 });
      return wrong;
    };
    expectTypeOf(use).toBeFunction();
  });

  it("has options whose progress and input are those of the method", () => {
    const use = async (client: Client<typeof tools>, call: Call) => {
      const { signal } = new AbortController();
      await client.index(
        { dir: "." },
        { onProgress: ({ done }) => expectTypeOf(done).toEqualTypeOf<number>() },
      );
      await client.upload({ name: "x" }, { input: ["one", "two"], timeout: 5, signal, call });
      // @ts-expect-error: no such report.
      await client.index({ dir: "." }, { onProgress: ({ files }) => files });
      // @ts-expect-error: the input has strings.
      await client.upload({ name: "x" }, { input: [1, 2] });
      // @ts-expect-error: the method takes no input.
      await client.search({ q: "x" }, { input: ["one"] });
      // @ts-expect-error: no such option.
      await client.search({ q: "x" }, { timeOut: 5 });
      // @ts-expect-error: a time is a number.
      await client.search({ q: "x" }, { timeout: "5" });
    };
    expectTypeOf(use).toBeFunction();
  });

  it("gives what goes into a schema, and gets what comes out", () => {
    const use = async (client: Client<typeof tools>) => {
      expectTypeOf(await client.length({ text: "four" })).toEqualTypeOf<string>();
      // @ts-expect-error: the schema takes a string, and makes a number of it.
      await client.length({ text: 4 });
    };
    expectTypeOf(use).toBeFunction();
  });

  it("has what every client has", () => {
    const use = async (client: Client<typeof tools>) => {
      expectTypeOf(await client.health()).toEqualTypeOf<"healthy" | "blocked" | "dead">();
      await client.close();
      expectTypeOf((await client.closed).error).toEqualTypeOf<Error | undefined>();
    };
    expectTypeOf(use).toBeFunction();
  });
});

describe("the handlers of a contract of schemas", () => {
  it("are one for each method", () => {
    const use = async () => {
      await serve(tools, handlers);
      const { search: _, ...rest } = handlers;
      // @ts-expect-error: one is missing.
      await serve(tools, rest);
      // @ts-expect-error: one is no function.
      await serve(tools, { ...handlers, search: ["x"] });
      // @ts-expect-error: a parameter of another type.
      await serve(tools, { ...handlers, search: ({ q }: { q: number }) => [`${q}`] });
      // @ts-expect-error: a parameter that the method does not have.
      await serve(tools, { ...handlers, search: ({ query }: { query: string }) => [query] });
      // @ts-expect-error: another result.
      await serve(tools, { ...handlers, search: () => [5] });
      // @ts-expect-error: another result, later.
      await serve(tools, { ...handlers, index: async () => ({ file: 1 }) });
      // @ts-expect-error: a request that returns nothing.
      await serve(tools, { ...handlers, index: async () => {} });
      // @ts-expect-error: a stream that returns no iterable.
      await serve(tools, { ...handlers, tail: () => 5 });
      // @ts-expect-error: items of another type.
      await serve(tools, { ...handlers, tail: () => [5] });
      // @ts-expect-error: the schema takes a number as the result.
      await serve(tools, { ...handlers, length: ({ text }: { text: number }) => `${text}` });
      // @ts-expect-error: no such option.
      await serve(tools, handlers, { concurency: 5 });
    };
    expectTypeOf(use).toBeFunction();
  });

  it("know their parameters and what the call carries", () => {
    const use = async () => {
      await serve(tools, {
        ...handlers,
        search: ({ q }, call) => {
          expectTypeOf(q).toEqualTypeOf<string>();
          expectTypeOf(call.signal).toEqualTypeOf<AbortSignal>();
          return [q];
        },
        index: async ({ dir }, call) => {
          expectTypeOf(dir).toEqualTypeOf<string>();
          await call.progress({ done: 1 });
          // @ts-expect-error: another report.
          await call.progress({ files: 1 });
          // @ts-expect-error: a report of another type.
          await call.progress({ done: "1" });
          return { files: 1 };
        },
        upload: async (_params, call) => {
          for await (const item of call.input) expectTypeOf(item).toEqualTypeOf<string>();
          // @ts-expect-error: the items are strings.
          for await (const item of call.input) item.toFixed();
          return 1;
        },
        length: ({ text }) => {
          expectTypeOf(text).toEqualTypeOf<number>();
          return text;
        },
      });
    };
    expectTypeOf(use).toBeFunction();
  });
});

describe("both sides that serve", () => {
  it("know each other's methods", () => {
    const ui = contract("ui", { ask: request(z.object({ text: z.string() }), z.boolean()) });
    const use = async () => {
      const service = await serve(
        tools,
        {
          ...handlers,
          search: async ({ q }, call) => {
            expectTypeOf(await call.client.ask({ text: q })).toEqualTypeOf<boolean>();
            // @ts-expect-error: no such method.
            await call.client.tell({ text: q });
            // @ts-expect-error: a parameter of another type.
            await call.client.ask({ text: 5 });
            return [q];
          },
        },
        { calls: ui },
      );
      for (const { client } of service.clients)
        expectTypeOf(await client.ask({ text: "?" })).toEqualTypeOf<boolean>();
      await open(tools, { serve: { contract: ui, handlers: { ask: ({ text }) => text === "" } } });
      // @ts-expect-error: another result.
      await open(tools, { serve: { contract: ui, handlers: { ask: ({ text }) => text } } });
      // @ts-expect-error: a handler is missing.
      await open(tools, { serve: { contract: ui, handlers: {} } });
    };
    expectTypeOf(use).toBeFunction();
  });
});

describe("a contract of an interface", () => {
  const make = () => contract<Tools>("tools", { tail: "stream", log: "notification" });
  type Made = ReturnType<typeof make>;

  it("names the methods that are no requests, and their kinds", () => {
    const use = () => {
      contract<Plain>("plain");
      make();
      // @ts-expect-error: they are not named.
      contract<Tools>("tools");
      // @ts-expect-error: one is not named.
      contract<Tools>("tools", { tail: "stream" });
      // @ts-expect-error: the wrong kind.
      contract<Tools>("tools", { tail: "notification", log: "notification" });
      // @ts-expect-error: a request is not named.
      contract<Tools>("tools", { tail: "stream", log: "notification", search: "stream" });
      // @ts-expect-error: no such method.
      contract<Plain>("plain", { tail: "stream" });
    };
    expectTypeOf(use).toBeFunction();
  });

  it("gives a client the interface's methods", () => {
    const use = async (client: Client<Made>) => {
      expectTypeOf(await client.search({ q: "bell" })).toEqualTypeOf<string[]>();
      expectTypeOf(await client.sum({ numbers: [1] })).toEqualTypeOf<number>();
      expectTypeOf(await client.ping()).toEqualTypeOf<"pong">();
      expectTypeOf(await client.log({ line: "x" })).toEqualTypeOf<void>();
      for await (const line of client.tail({ file: "x" })) expectTypeOf(line).toEqualTypeOf<string>();
      // @ts-expect-error: no such method.
      await client.serch({ q: "bell" });
      // @ts-expect-error: a parameter of another type.
      await client.search({ q: 5 });
      // @ts-expect-error: no parameters.
      await client.sum();
      // @ts-expect-error: the result is a number.
      const wrong: string = await client.sum({ numbers: [] });
      // @ts-expect-error: the items are strings.
      for await (const line of client.tail({ file: "x" })) line.toFixed();
      return wrong;
    };
    expectTypeOf(use).toBeFunction();
  });

  it("takes a union, such as boolean, for one result", () => {
    const unions = contract<Unions>("unions", { both: "stream" });
    const handlers = {
      has: ({ key }: { key: string }): boolean => key === "bell",
      find: async ({ key }: { key: string }) => (key === "bell" ? key : undefined),
      either: () => (Date.now() > 0 ? 1 : "one"),
      anything: () => 1,
      fails: () => {
        throw new Error("always");
      },
      both: () => ["item"],
    };
    const use = async (client: Client<typeof unions>) => {
      await serve(unions, handlers);
      expectTypeOf(await client.has({ key: "bell" })).toEqualTypeOf<boolean>();
      expectTypeOf(await client.find({ key: "bell" })).toEqualTypeOf<string | undefined>();
      expectTypeOf(await client.either()).toEqualTypeOf<number | string>();
      expectTypeOf(await client.anything()).toBeAny();
      expectTypeOf(await client.fails()).toBeNever();
      for await (const item of client.both()) expectTypeOf(item).toEqualTypeOf<string | number>();
      // @ts-expect-error: another result.
      await serve(unions, { ...handlers, has: () => "yes" });
    };
    expectTypeOf(use).toBeFunction();
  });

  it("wants a handler for each", () => {
    const all = {
      search: ({ q }: { q: string }) => [q],
      sum: ({ numbers }: { numbers: number[] }) => numbers.length,
      ping: () => "pong" as const,
      tail: () => ["line"],
      log: () => {},
    };
    const use = async () => {
      await serve(make(), all);
      const { ping: _, ...rest } = all;
      // @ts-expect-error: one is missing.
      await serve(make(), rest);
      // @ts-expect-error: another result.
      await serve(make(), { ...all, ping: () => "ping" });
      // @ts-expect-error: a parameter of another type.
      await serve(make(), { ...all, search: ({ q }: { q: number }) => [`${q}`] });
      // @ts-expect-error: items of another type.
      await serve(make(), { ...all, tail: () => [5] });
      class Served {
        search = async ({ q }: { q: string }) => [q];
        sum({ numbers }: { numbers: number[] }) {
          return numbers.length;
        }
        ping = async () => "pong" as const;
        async *tail() {
          yield "line";
        }
        log() {}
      }
      await serve(make(), new Served());
    };
    expectTypeOf(use).toBeFunction();
  });
});

describe("the port of calls", () => {
  it("is any channel or lane of JSON", () => {
    expectTypeOf<Channel<unknown, unknown>>().toExtend<RpcPort>();
    expectTypeOf<Lane<unknown, unknown>>().toExtend<RpcPort>();
    expectTypeOf<Channel<{ a: number }, unknown>>().not.toExtend<RpcPort>();
  });

  it("has parameters with blocks", () => {
    const photos = contract<{ show(params: { pixels: Block }): Promise<number> }>("photos");
    const use = async (client: Client<typeof photos>, pixels: Block) => client.show({ pixels });
    expectTypeOf(use).toBeFunction();
  });
});

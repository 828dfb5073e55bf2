import { setTimeout as sleep } from "node:timers/promises";
import { Client as Client2 } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { McpServer as McpServer1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { McpServer as McpServer2 } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import type { McpServerFactory } from "ringbell/mcp";
import { z } from "zod";

/*
 * The SDKs of MCP, behind one face: a client of each, and a server that has the same tools in each.
 */

/** What the tests use of a client, whichever SDK it is of. */
export interface AnyClient {
  connect(transport: object): Promise<void>;
  close(): Promise<void>;
  listTools(): Promise<{ tools: { name: string }[] }>;
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onprogress?: (progress: { progress: number }) => void;
  readonly timeout?: number;
}

export interface Result {
  readonly content: { type: string; text?: string }[];
  readonly isError?: boolean;
}

/** An SDK, or one of its protocol revisions. */
export interface Sdk {
  readonly name: string;
  client(): AnyClient;
  call(client: AnyClient, name: string, args?: object, options?: CallOptions): Promise<Result>;
  readonly factory: McpServerFactory;
}

/** What the servers of a test process have heard. */
export const heard = { aborted: 0, closed: 0 };

const info = { name: "test", version: "1" };
const say = (text: string) => ({ content: [{ type: "text" as const, text }] });

/** What the SDK 1.x gives to a tool. */
interface Extra1 {
  readonly signal: AbortSignal;
  readonly _meta?: { readonly progressToken?: unknown };
  sendNotification(notification: object): Promise<void>;
}

/** What the SDK 2.x gives to a tool. */
interface Extra2 {
  readonly mcpReq: {
    readonly signal: AbortSignal;
    readonly _meta?: { readonly progressToken?: unknown };
    notify(notification: object): Promise<void>;
  };
}

/** What the tools here get. */
interface Extra {
  readonly signal: AbortSignal;
  readonly notify: (progress: number) => Promise<void>;
}

/** The tools: a schema and a handler each. */
const tools = {
  echo: { schema: { text: z.string() }, run: ({ text }: { text: string }) => say(text) },
  fail: { schema: {}, run: () => ({ ...say("it failed"), isError: true }) },
  big: { schema: { bytes: z.number() }, run: ({ bytes }: { bytes: number }) => say("x".repeat(bytes)) },
  report: {
    schema: { times: z.number() },
    async run({ times }: { times: number }, { notify }: Extra) {
      for (let i = 1; i <= times; i++) await notify(i);
      return say("done");
    },
  },
  hang: {
    schema: {},
    async run(_: object, { signal }: Extra) {
      signal.addEventListener("abort", () => heard.aborted++);
      await sleep(60_000, undefined, { signal }).catch(() => {});
      return say("never");
    },
  },
} as const;

function register(add: (name: string, schema: object, run: (args: never, extra: Extra) => unknown) => void) {
  for (const [name, { schema, run }] of Object.entries(tools)) add(name, schema, run as never);
}

function server1() {
  const server = new McpServer1(info);
  register((name, schema, run) => {
    server.registerTool(name, { inputSchema: schema as never }, ((args: never, extra: Extra1) =>
      run(args, {
        signal: extra.signal,
        notify: (progress) =>
          extra.sendNotification({
            method: "notifications/progress",
            params: { progressToken: extra._meta?.progressToken, progress },
          }),
      })) as never);
  });
  server.server.onclose = () => heard.closed++;
  return server;
}

function server2() {
  const server = new McpServer2(info);
  register((name, schema, run) => {
    server.registerTool(name, { inputSchema: z.object(schema as never) }, ((args: never, ctx: Extra2) =>
      run(args, {
        signal: ctx.mcpReq.signal,
        notify: (progress) =>
          ctx.mcpReq.notify({
            method: "notifications/progress",
            params: { progressToken: ctx.mcpReq._meta?.progressToken, progress },
          }),
      })) as never);
  });
  return server;
}

const call2: Sdk["call"] = (client, name, args = {}, options) =>
  (client as unknown as Client2).callTool({ name, arguments: args as never }, options) as Promise<Result>;

export const v1: Sdk = {
  name: "the SDK 1.x",
  client: () => new Client1(info) as unknown as AnyClient,
  call: (client, name, args = {}, options) =>
    (client as unknown as Client1).callTool(
      { name, arguments: args as never },
      undefined,
      options,
    ) as Promise<Result>,
  factory: server1,
};

export const v2: Sdk = {
  name: "the SDK 2.x",
  client: () => new Client2(info) as unknown as AnyClient,
  call: call2,
  factory: server2,
};

export const modern: Sdk = {
  name: "the SDK 2.x with its newest revision",
  client: () => new Client2(info, { versionNegotiation: { mode: "auto" } }) as unknown as AnyClient,
  call: call2,
  factory: ({ transport }) => serveStdio(server2, { transport }),
};

export const sdks = [v1, v2, modern];

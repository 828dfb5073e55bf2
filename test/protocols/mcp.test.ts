import { execFile } from "node:child_process";
import { realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client as Client2 } from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { getDefaultEnvironment, StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { connect, json } from "ringbell";
import {
  type ConnectMcpOptions,
  connectMcp,
  mcpTransport,
  type ShareMcpOptions,
  shareMcp,
} from "ringbell/mcp";
import { describe, expect, it } from "vitest";
import { relay } from "../../lib/relay/index.js";
import { MAIN } from "../cli/run.js";
import { ending, privateDirectory, until } from "../rpc/setup.js";
import { everything, filesystem, inspector } from "./programs.js";

const run = promisify(execFile);
const info = (i: number) => ({ name: `client-${i}`, version: "1" });

async function sharing(command: readonly string[], options: ShareMcpOptions = {}) {
  const directory = privateDirectory();
  const share = ending(await shareMcp("shared", command, { ...options, directory }));
  return { share, directory };
}

/** A client with all that servers can ask for; its answers say which client it is. */
async function able(i: number, directory: string, options: ConnectMcpOptions = {}) {
  const client = ending(
    new Client(info(i), {
      capabilities: { sampling: {}, elicitation: { form: {} }, roots: { listChanged: true } },
    }),
  );
  const content = { type: "text" as const, text: `sampled by ${i}` };
  client.setRequestHandler(CreateMessageRequestSchema, () => ({
    model: "m",
    role: "assistant" as const,
    content,
  }));
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: "decline" as const }));
  client.setRequestHandler(ListRootsRequestSchema, () => ({
    roots: [{ uri: `file:///root-${i}`, name: `root ${i}` }],
  }));
  await client.connect(await connectMcp("shared", { ...options, directory }));
  return client;
}

const textOf = (result: unknown) =>
  (result as { content: { text: string }[] }).content.map(({ text }) => text).join(" ");

describe("server-everything, shared among ten clients of the SDK", () => {
  it("answers all, reports each one's progress, and samples at the client whose call it is", async () => {
    const { share, directory } = await sharing(everything(), { turns: true });
    const clients = await Promise.all(Array.from({ length: 10 }, (_, i) => able(i, directory)));
    await Promise.all(
      clients.map(async (client, i) => {
        expect((await client.listTools()).tools.length).toBeGreaterThan(10);
        const echo = { name: "echo", arguments: { message: `message ${i}` } };
        expect(textOf(await client.callTool(echo))).toBe(`Echo: message ${i}`);
        const seen: number[] = [];
        const long = { name: "trigger-long-running-operation", arguments: { duration: 0.1, steps: 3 } };
        await client.callTool(long, undefined, { onprogress: ({ progress }) => seen.push(progress) });
        expect(seen).toEqual([1, 2, 3]);
        const sample = { name: "trigger-sampling-request", arguments: { prompt: "p", maxTokens: 5 } };
        expect(textOf(await client.callTool(sample))).toContain(`sampled by ${i}`);
        expect(await client.ping()).toEqual({});
      }),
    );
    expect(share.pids).toHaveLength(1);
  });

  it("tells updates of resources to those that subscribed, and log messages to those that want them", async () => {
    const { directory } = await sharing(everything());
    const [a, b] = [await able(0, directory), await able(1, directory)];
    const heard = { a: [] as string[], b: [] as string[], logs: 0, quiet: 0 };
    for (const [client, name] of [
      [a, "a"],
      [b, "b"],
    ] as const) {
      client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => {
        heard[name].push(params.uri);
      });
    }
    a.setNotificationHandler(LoggingMessageNotificationSchema, () => {
      heard.logs++;
    });
    b.setNotificationHandler(LoggingMessageNotificationSchema, () => {
      heard.quiet++;
    });
    await a.setLoggingLevel("debug");
    await b.setLoggingLevel("emergency");
    const uri = "demo://resource/dynamic/text/1";
    await a.subscribeResource({ uri });
    await a.callTool({ name: "toggle-subscriber-updates", arguments: {} });
    await a.callTool({ name: "toggle-simulated-logging", arguments: {} });
    await until(() => heard.a.length > 0 && heard.logs > 0);
    expect(new Set(heard.a)).toEqual(new Set([uri]));
    expect(heard.b).toEqual([]);
  });

  it("falls back to the older revision for a client that asks for the newest first", async () => {
    const { share, directory } = await sharing(everything());
    const clients = await Promise.all(
      [0, 1, 2].map(async (i) => {
        const client = ending(new Client2(info(i), { versionNegotiation: { mode: "auto" } }));
        await client.connect(await connectMcp("shared", { directory }));
        return client;
      }),
    );
    for (const client of clients) {
      const echo = { name: "echo", arguments: { message: "m" } };
      expect(textOf(await client.callTool(echo))).toBe("Echo: m");
      expect(client.getProtocolEra()).toBe("legacy");
    }
    expect(share.pids).toHaveLength(1);
  });
});

describe("server-filesystem, shared", () => {
  it("reads files for ten clients, and refuses what lies elsewhere", async () => {
    const files = realpathSync(privateDirectory());
    for (let i = 0; i < 10; i++) writeFileSync(join(files, `${i}.txt`), `content ${i}`);
    const { directory } = await sharing(filesystem(files));
    const clients = await Promise.all(
      Array.from({ length: 10 }, async (_, i) => {
        const client = ending(new Client(info(i)));
        await client.connect(await connectMcp("shared", { directory }));
        return client;
      }),
    );
    const reads = clients.map((client, i) =>
      client.callTool({ name: "read_text_file", arguments: { path: join(files, `${i}.txt`) } }),
    );
    expect((await Promise.all(reads)).map(textOf)).toEqual(clients.map((_, i) => `content ${i}`));
    const elsewhere = { name: "read_text_file", arguments: { path: "/etc/hostname" } };
    expect((await clients[0]!.callTool(elsewhere)).isError).toBe(true);
  });
});

describe("a server of the SDK 2.x, shared", () => {
  it("serves clients of both revisions, each by a run of its own", async () => {
    const { share, directory } = await sharing([
      process.execPath,
      fileURLToPath(new URL("programs/both-eras.mjs", import.meta.url)),
    ]);
    const modern = await Promise.all(
      [0, 1].map(async (i) => {
        const client = ending(new Client2(info(i), { versionNegotiation: { mode: "auto" } }));
        await client.connect(await connectMcp("shared", { directory }));
        return client;
      }),
    );
    const legacy = [await able(2, directory), await able(3, directory)];
    const call = { name: "era", arguments: {} };
    for (const client of modern) expect(textOf(await client.callTool(call))).toBe("modern");
    for (const client of legacy) expect(textOf(await client.callTool(call))).toBe("legacy");
    expect(share.pids).toHaveLength(2);
    const seen: number[] = [];
    await modern[1]!.callTool(
      { name: "steps", arguments: {} },
      { onprogress: ({ progress }) => seen.push(progress) },
    );
    expect(seen).toEqual([1, 2, 3]);
    // Each is told of a change by its own subscription.
    const changes = [0, 0];
    await Promise.all(
      modern.map(async (client, i) => {
        client.setNotificationHandler("notifications/tools/list_changed", () => {
          changes[i]!++;
        });
        await client.listen({ toolsListChanged: true });
      }),
    );
    await modern[0]!.callTool({ name: "change", arguments: {} });
    await until(() => changes[0] === 1 && changes[1] === 1);
  });
});

describe("unmodified clients", () => {
  it("reach a shared server by the command ringbell mcp connect: the inspector's", async () => {
    const { directory } = await sharing(everything());
    const [node, ...cli] = inspector(privateDirectory()) as [string, ...string[]];
    const inspect = async (...args: string[]) => {
      const command = [...cli, process.execPath, MAIN, "mcp", "connect", "shared", "-d", directory];
      return JSON.parse((await run(node, [...command, ...args])).stdout);
    };
    const { tools } = await inspect("--method", "tools/list");
    expect(tools.map(({ name }: { name: string }) => name)).toContain("echo");
    const echo = ["--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hello"];
    expect(textOf(await inspect(...echo))).toBe("Echo: hello");
  });
});

describe("the same conversation over standard streams, a relay, and a shared server", () => {
  it("has the same messages in the same order (S1.2)", async () => {
    const transcript = async (transport: Transport) => {
      const received: unknown[] = [];
      const client = new Client(info(0));
      await client.connect(transport);
      const { onmessage } = transport;
      transport.onmessage = (message, extra) => {
        received.push(message);
        onmessage?.(message as never, extra);
      };
      await client.listTools();
      await client.callTool({ name: "echo", arguments: { message: "ü" } });
      await client.callTool({ name: "echo", arguments: {} });
      const long = { name: "trigger-long-running-operation", arguments: { duration: 0.05, steps: 3 } };
      await client.callTool(long, undefined, { onprogress: () => {} });
      await client.listResources();
      await client.readResource({ uri: "demo://resource/dynamic/text/1" }).catch(() => {});
      await client.getPrompt({ name: "simple-prompt" });
      await client.close();
      // The time of day is in the text of one resource.
      return JSON.parse(JSON.stringify(received).replace(/\d{1,2}:\d{2}:\d{2} [AP]M/g, "now")) as unknown[];
    };
    const [command, ...args] = everything() as [string, ...string[]];
    const direct = await transcript(
      new StdioClientTransport({ command, args, env: getDefaultEnvironment(), stderr: "ignore" }),
    );
    const { directory } = await sharing(everything());
    const shared = await transcript(await connectMcp("shared", { directory }));
    ending(await relay("relayed", everything(), { directory }));
    const channel = await connect("relayed", { directory, codec: json() });
    const relayed = await transcript(mcpTransport(channel));
    expect(direct.length).toBeGreaterThanOrEqual(10);
    expect(relayed).toEqual(direct);
    expect(shared).toEqual(direct);
  });
});

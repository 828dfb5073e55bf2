import { once } from "node:events";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { describe, expect, it, onTestFinished } from "vitest";
import { opened } from "../mailbox/setup.js";
import { scratchDirectory } from "../transport/scratch.js";
import { MAIN, ringbell } from "./run.js";

interface Result {
  readonly structuredContent: Record<string, unknown>;
  readonly isError?: boolean;
}

/** The SDK's client of a command of ringbell. */
async function clientOf(...args: string[]) {
  const client = new Client({ name: "test", version: "1" });
  const transport = new StdioClientTransport({ command: process.execPath, args: [MAIN, ...args] });
  await client.connect(transport);
  onTestFinished(() => client.close());
  const call = async (operation: string, rest: object = {}, options: object = {}) =>
    (await client.callTool(
      { name: "ipc", arguments: { operation, ...rest } },
      undefined,
      options,
    )) as never as Result;
  return { client, call, transport };
}

/** A place with a broker in this process. */
async function place() {
  const directory = scratchDirectory();
  return { directory, mail: await opened({ directory }) };
}

describe("ringbell mcp mailbox", () => {
  it("has one tool with all operations, by which two sessions talk (S3.16, S3.19)", {
    timeout: 30_000,
  }, async () => {
    const { directory } = await place();
    const alice = await clientOf("mcp", "mailbox", "-d", directory);
    const bob = await clientOf("mcp", "mailbox", "-d", directory);
    const { tools } = await alice.client.listTools();
    expect(tools.map(({ name, inputSchema }) => [name, inputSchema.required])).toEqual([
      ["ipc", ["operation"]],
    ]);
    const waiting = alice.call("wait", { mailbox: "alice", timeout: 20 });
    expect(await bob.call("post", { to: "alice", from: "bob", message: "hello" })).toMatchObject({
      structuredContent: { posted: true },
    });
    expect((await waiting).structuredContent.message).toMatchObject({ from: "bob", message: "hello" });
    expect(await bob.call("fetch", { mailbox: "alice" })).toMatchObject({
      structuredContent: { messages: [] },
    });
    expect(await bob.call("broker_stop")).toMatchObject({ isError: true });
  });

  it("has a tool for each operation with --each, and tells what is wrong with a call", {
    timeout: 30_000,
  }, async () => {
    const { directory } = await place();
    const { client } = await clientOf("mcp", "mailbox", "--each", "-d", directory);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["ipc_post", "ipc_wait", "ipc_broker_status"]),
    );
    const wrong = (await client.callTool({ name: "ipc_post", arguments: { to: "x" } })) as never as Result;
    expect(wrong).toMatchObject({
      isError: true,
      structuredContent: { code: "ERR_RINGBELL_INVALID_ARGUMENT" },
    });
  });

  it("serves mcp connect under a name; a wait that is cancelled takes nothing, and one that lasts tells progress (S3.26)", {
    timeout: 60_000,
  }, async () => {
    const { directory, mail } = await place();
    const server = await clientOf("mcp", "mailbox", "-d", directory);
    expect(server.transport.pid).toBeGreaterThan(0);
    const { spawn } = await import("node:child_process");
    const listening = spawn(process.execPath, [MAIN, "mcp", "mailbox", "--listen", "mail", "-d", directory]);
    onTestFinished(() => void listening.kill("SIGKILL"));
    expect(String((await once(listening.stdout, "data"))[0])).toContain("listening at ");
    const { call } = await clientOf("mcp", "connect", "mail", "-d", directory);
    const abort = new AbortController();
    const cancelled = call("wait", { mailbox: "box" }, { signal: abort.signal });
    await expect.poll(async () => (await mail.box("box").status())?.waiting).toBe(1);
    abort.abort();
    await expect(cancelled).rejects.toThrow();
    await expect.poll(async () => (await mail.box("box").status())?.waiting).toBe(0);
    await mail.post("box", "kept");
    const { structuredContent } = await call("wait", { mailbox: "box" }, { onprogress: () => {} });
    expect(structuredContent.message).toMatchObject({ message: "kept" });
    listening.kill("SIGTERM");
    expect((await once(listening, "exit"))[0]).toBe(0);
  });

  it("ends with its standard input", async () => {
    const { directory } = await place();
    expect(await ringbell(["mcp", "mailbox", "-d", directory])).toMatchObject({ code: 0, stdout: "" });
    expect(await ringbell(["mcp", "mailbox", "more"])).toMatchObject({ code: 2 });
  });
});

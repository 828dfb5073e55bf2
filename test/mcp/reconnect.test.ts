import { type Channel, json, memoryPair } from "ringbell";
import { connectMcp, serveMcp } from "ringbell/mcp";
import { describe, expect, it } from "vitest";
import { ReconnectingTransport } from "../../lib/mcp/reconnect/reconnecting.js";
import { mcpTransport } from "../../lib/mcp/transport.js";
import { program } from "../rpc/setup.js";
import { sdks, v1 } from "./sdks.js";
import { ending, listening, privateDirectory, until } from "./setup.js";

const MCP = JSON.stringify(new URL("../../dist/mcp/index.js", import.meta.url).href);

describe.each(sdks)("a client that comes back, $name", (sdk) => {
  it("outlives a restart of its server: calls go on, and no end is told (S1.4)", async () => {
    const directory = privateDirectory();
    const first = await serveMcp("tools", sdk.factory, { directory });
    const client = ending(sdk.client());
    const told = listening(client);
    await client.connect(await connectMcp("tools", { directory, reconnect: true }));
    const hanging = expect(sdk.call(client, "hang")).rejects.toThrow(/may have run/);
    await sdk.call(client, "echo", { text: "a" });
    await first.close();
    await hanging;
    // This call waits for the next server.
    const early = sdk.call(client, "echo", { text: "b" });
    ending(await serveMcp("tools", sdk.factory, { directory }));
    const begin = performance.now();
    expect((await early).content).toEqual([{ type: "text", text: "b" }]);
    expect(performance.now() - begin).toBeLessThan(3000);
    const seen: number[] = [];
    await sdk.call(client, "report", { times: 3 }, { onprogress: ({ progress }) => seen.push(progress) });
    expect([seen, told.closes]).toEqual([[1, 2, 3], 0]);
    await client.close();
    expect(told.closes).toBe(1);
  });
});

describe("a client that comes back", () => {
  it("outlives a server that is killed, and hears why", async () => {
    const directory = privateDirectory();
    const start = async () => {
      const child = program(
        `const { serveMcp } = await import(${MCP});
        const { McpServer } = await import(${JSON.stringify(import.meta.resolve("@modelcontextprotocol/sdk/server/mcp.js"))});
        await serveMcp("tools", () => {
          const server = new McpServer({ name: "s", version: "1" });
          server.registerTool("pid", {}, () => ({ content: [{ type: "text", text: String(process.pid) }] }));
          return server;
        }, { directory });
        report("serving");`,
        directory,
      );
      await child.said("serving");
      return child.child;
    };
    const first = await start();
    const client = ending(v1.client());
    const told = listening(client);
    await client.connect(await connectMcp("tools", { directory, reconnect: true }));
    const pid = async () => (await v1.call(client, "pid")).content[0]?.text;
    expect(await pid()).toBe(String(first.pid));
    first.kill("SIGKILL");
    const second = await start();
    expect(await pid()).toBe(String(second.pid));
    expect(told).toMatchObject({ closes: 0, errors: [{ code: "ERR_RINGBELL_PEER_DIED" }] });
  });

  it("ends, once, when no server comes", async () => {
    const directory = privateDirectory();
    const service = await serveMcp("tools", v1.factory, { directory });
    const client = v1.client();
    const told = listening(client);
    const reconnect = { attempts: 3, maxDelay: 10, maxTotal: 1000 };
    await client.connect(await connectMcp("tools", { directory, reconnect }));
    await service.close();
    await expect(v1.call(client, "echo", { text: "" })).rejects.toThrow();
    await until(() => told.closes > 0);
    await client.close();
    expect(told.closes).toBe(1);
    expect(told.errors.at(-1)).toMatchObject({ code: "ERR_RINGBELL_NOT_FOUND" });
  });

  it("ends, once, when it is closed while it looks for a server", async () => {
    const directory = privateDirectory();
    const service = await serveMcp("tools", v1.factory, { directory });
    const client = v1.client();
    const told = listening(client);
    await client.connect(await connectMcp("tools", { directory, reconnect: true }));
    await service.close();
    const waiting = expect(v1.call(client, "echo", { text: "" })).rejects.toThrow();
    await client.close();
    await waiting;
    expect(told.closes).toBe(1);
  });
});

type Message = Record<string, unknown>;

/** A transport whose servers are in the hands of the test, one after the other. */
async function raw() {
  const servers: Channel<unknown, Message>[] = [];
  const connect = async () => {
    const [one, other] = memoryPair({ codec: json() });
    servers.push(ending(other) as never);
    return mcpTransport(one);
  };
  const transport = ending(new ReconnectingTransport(await connect(), connect));
  const got: Message[] = [];
  let closes = 0;
  transport.onmessage = (message) => got.push(message as never);
  transport.onclose = () => closes++;
  await transport.start();
  const send = (message: object) => transport.send({ jsonrpc: "2.0", ...message });
  return { servers, transport, got, send, closes: () => closes };
}

const hello = { id: 0, method: "initialize", params: { capabilities: {} } };
const capabilities = { tools: { listChanged: true }, prompts: {} };

describe("the next server", () => {
  it("gets the handshake, the log level and the subscriptions that count, and the client hears of changed lists", async () => {
    const { servers, send, got } = await raw();
    await send(hello);
    await servers[0]!.receive();
    await servers[0]!.send({ jsonrpc: "2.0", id: 0, result: { capabilities } });
    await send({ method: "notifications/initialized" });
    const subscribe = (id: number, uri: string, method = "resources/subscribe") =>
      send({ id, method, params: { uri } });
    for (const level of ["debug", "error"])
      await send({ id: level, method: "logging/setLevel", params: { level } });
    await subscribe(1, "a");
    await subscribe(2, "b");
    await subscribe(3, "a", "resources/unsubscribe");
    await until(() => got.length === 1);
    await servers[0]!.close();
    await until(() => servers.length === 2);
    const second = servers[1]!;
    const again = await second.receive();
    expect(again).toEqual({ jsonrpc: "2.0", ...hello, id: "ringbell:1" });
    await second.send({ jsonrpc: "2.0", id: again.id, result: { capabilities } });
    const rest = [await second.receive(), await second.receive(), await second.receive()];
    expect(rest).toMatchObject([
      { method: "notifications/initialized" },
      { method: "logging/setLevel", params: { level: "error" } },
      { method: "resources/subscribe", params: { uri: "b" } },
    ]);
    for (const { id } of rest.slice(1)) await second.send({ jsonrpc: "2.0", id, result: {} });
    await second.send({ jsonrpc: "2.0", method: "notifications/last" });
    await until(() => got.at(-1)?.method === "notifications/last");
    // Answers to what the transport has asked are not the client's; its own calls got errors.
    expect(
      got.map(({ id, method, error }) => method ?? [id, (error as { code: number } | undefined)?.code]),
    ).toEqual([
      [0, undefined],
      ["debug", -32000],
      ["error", -32000],
      [1, -32000],
      [2, -32000],
      [3, -32000],
      "notifications/tools/list_changed",
      "notifications/last",
    ]);
  });

  it("gets no answer to what the last one has asked", async () => {
    const { servers, send, got } = await raw();
    await servers[0]!.send({ jsonrpc: "2.0", id: 7, method: "sampling/createMessage", params: {} });
    await until(() => got.length === 1);
    await servers[0]!.close();
    await until(() => servers.length === 2);
    await send({ id: 7, result: { late: true } });
    await send({ method: "notifications/after" });
    expect(await servers[1]!.receive()).toMatchObject({ method: "notifications/after" });
  });

  it("may be lost in the midst of the handshake; ten such losses are the end", async () => {
    const { servers, send, closes } = await raw();
    await send(hello);
    await servers[0]!.receive();
    await servers[0]!.send({ jsonrpc: "2.0", id: 0, result: { capabilities } });
    for (let i = 1; i <= 11; i++) {
      await servers[i - 1]!.close();
      if (i <= 10) {
        await until(() => servers.length === i + 1);
        await servers[i]!.receive();
      }
    }
    await until(() => closes() === 1);
    expect(servers).toHaveLength(11);
    await expect(send({ id: 9, method: "ping" })).rejects.toThrow();
  });

  it("that refuses the handshake is tried again", async () => {
    const { servers, send, got } = await raw();
    await send(hello);
    await servers[0]!.receive();
    await servers[0]!.send({ jsonrpc: "2.0", id: 0, result: { capabilities } });
    await servers[0]!.close();
    await until(() => servers.length === 2);
    const { id } = await servers[1]!.receive();
    await servers[1]!.send({ jsonrpc: "2.0", id, error: { code: 1, message: "not yet" } });
    await until(() => servers.length === 3);
    const again = await servers[2]!.receive();
    await servers[2]!.send({ jsonrpc: "2.0", id: again.id, result: { capabilities } });
    await until(() => got.length === 2);
    expect(got[1]).toMatchObject({ method: "notifications/tools/list_changed" });
  });
});

it("connectMcp still fails at once where there is no server at first", async () => {
  const directory = privateDirectory();
  await expect(connectMcp("none", { directory, reconnect: true, retry: false })).rejects.toMatchObject({
    code: "ERR_RINGBELL_NOT_FOUND",
  });
});

import { once } from "node:events";
import { json, memoryPair } from "ringbell";
import { mcpTransport } from "ringbell/mcp";
import { describe, expect, it } from "vitest";
import { heard, sdks } from "./sdks.js";
import { listening, serving, until } from "./setup.js";

describe.each(sdks)("MCP over a channel, $name", (sdk) => {
  it("lists tools, calls them, and tells a tool's error", async () => {
    const { connected } = await serving(sdk);
    const { client, call } = await connected();
    expect((await client.listTools()).tools).toHaveLength(5);
    expect((await call("echo", { text: "ü" })).content).toEqual([{ type: "text", text: "ü" }]);
    expect((await call("fail")).isError).toBe(true);
    expect((await call("echo", { text: 1 })).isError).toBe(true);
  });

  it("loses no report of progress, however fast they come", async () => {
    const { connected } = await serving(sdk);
    const { call } = await connected();
    for (let round = 0; round < 30; round++) {
      const seen: number[] = [];
      await call("report", { times: 20 }, { onprogress: ({ progress }) => seen.push(progress) });
      expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    }
  });

  it("carries a result of 20 MiB", async () => {
    const { connected } = await serving(sdk);
    const { call } = await connected();
    const { content } = await call("big", { bytes: 20 * 1024 * 1024 });
    expect(content[0]?.text?.length).toBe(20 * 1024 * 1024);
  });

  it("aborts the signal of a tool whose call was cancelled", async () => {
    const { connected } = await serving(sdk);
    const { call } = await connected();
    const before = heard.aborted;
    const controller = new AbortController();
    const hanging = call("hang", {}, { signal: controller.signal });
    // The server has got it once it answers what was sent after it.
    await call("echo", { text: "" });
    controller.abort(new Error("enough"));
    await expect(hanging).rejects.toThrow();
    await until(() => heard.aborted === before + 1);
    expect((await call("echo", { text: "still here" })).content).toHaveLength(1);
  });

  it("gives each of ten clients a server of its own, and tells when they leave", async () => {
    const { service, connected } = await serving(sdk);
    const clients = await Promise.all(Array.from({ length: 10 }, () => connected()));
    const calls = clients.flatMap(({ call }, i) =>
      Array.from({ length: 20 }, (_, j) => call("echo", { text: `${i}/${j}` })),
    );
    const texts = (await Promise.all(calls)).map(({ content }) => content[0]?.text);
    expect(texts).toEqual(clients.flatMap((_, i) => Array.from({ length: 20 }, (_, j) => `${i}/${j}`)));
    expect(service.clients.size).toBe(10);
    await Promise.all(clients.map(({ client }) => client.close()));
    await until(() => service.clients.size === 0);
  });

  it("rejects calls under way when the server closes, and says so once", async () => {
    const { service, connected } = await serving(sdk);
    const { client, call } = await connected();
    const told = listening(client);
    const hanging = call("hang");
    await call("echo", { text: "" });
    const rejected = expect(hanging).rejects.toThrow(/closed/i);
    await service.close();
    await rejected;
    await client.close();
    expect(told).toEqual({ closes: 1, errors: [] });
    await expect(call("echo", { text: "" })).rejects.toThrow(/not connected/i);
  });

  it("rejects calls under way when the client closes, says so once, and aborts them at the server", async () => {
    const { service, connected } = await serving(sdk);
    const { client, call } = await connected();
    const told = listening(client);
    const before = heard.aborted;
    const hanging = call("hang");
    await call("echo", { text: "" });
    const rejected = expect(hanging).rejects.toThrow(/closed/i);
    await client.close();
    expect(told).toEqual({ closes: 1, errors: [] });
    await rejected;
    await client.close();
    expect(told.closes).toBe(1);
    await until(() => heard.aborted === before + 1 && service.clients.size === 0);
  });
});

const ends = () => memoryPair({ codec: json() });
const message = (method: string) => ({ jsonrpc: "2.0" as const, method });

describe("mcpTransport", () => {
  it("has no session id, which would make the SDK skip its handshake", () => {
    expect(mcpTransport(ends()[0])).not.toHaveProperty("sessionId");
  });

  it("gives all that had arrived before it tells of the end, also when it was started late", async () => {
    const [one, other] = ends();
    for (const method of ["a", "b", "c"]) await other.send(message(method));
    await other.close();
    const transport = mcpTransport(one);
    const order: string[] = [];
    transport.onmessage = (got) => order.push((got as unknown as { method: string }).method);
    transport.onclose = () => order.push("close");
    await transport.start();
    await until(() => order.includes("close"));
    await transport.close();
    expect(order).toEqual(["a", "b", "c", "close"]);
  });

  it("tells of a death once: the error first, then the end", async () => {
    const [one, , cut] = ends();
    const transport = mcpTransport(one);
    const order: string[] = [];
    transport.onerror = (error) => order.push(error.name);
    transport.onclose = () => order.push("close");
    await transport.start();
    cut();
    await until(() => order.length === 2);
    await transport.close();
    expect(order).toEqual(["PeerDiedError", "close"]);
    await expect(transport.send(message("late"))).rejects.toMatchObject({ code: "ERR_RINGBELL_PEER_DIED" });
  });

  it("settles sends that wait for room when the end comes", async () => {
    const [one, , cut] = memoryPair({ codec: json(), capacity: 4096 });
    const transport = mcpTransport(one);
    await transport.start();
    const sends = Array.from({ length: 100 }, () => transport.send(message("x".repeat(1000))));
    const settled = Promise.allSettled(sends);
    cut();
    const statuses = (await settled).map(({ status }) => status);
    expect(statuses).toContain("rejected");
  });

  it("closes within its own patience where the peer reads nothing", async () => {
    const [one] = memoryPair({ codec: json(), capacity: 4096 });
    const transport = mcpTransport(one);
    let closes = 0;
    transport.onclose = () => closes++;
    const sends = Array.from({ length: 100 }, () => transport.send(message("x".repeat(1000))));
    const settled = Promise.allSettled(sends);
    const begin = performance.now();
    await transport.close();
    await transport.close();
    await settled;
    expect(closes).toBe(1);
    expect(performance.now() - begin).toBeLessThan(4000);
  });

  it("goes on after a message that is no JSON, and after a handler that throws", async () => {
    const [one, other] = memoryPair({ codec: json() });
    const transport = mcpTransport(one);
    const errors: string[] = [];
    let count = 0;
    transport.onerror = (error) => errors.push(error.message);
    transport.onmessage = () => {
      count++;
      throw new Error("my own");
    };
    await transport.start();
    for (const value of [5, null, [], "text", message("good")]) await other.send(value);
    await until(() => count === 5);
    expect(errors).toEqual(Array(5).fill("my own"));
    await transport.close();
  });

  it("is started once", async () => {
    const transport = mcpTransport(ends()[0]);
    await transport.start();
    await expect(transport.start()).rejects.toMatchObject({ code: "ERR_RINGBELL_CONSUMER_BUSY" });
    await transport.close();
  });

  it("ends where somebody else reads from the port", async () => {
    const [one] = ends();
    one.on("message", () => {});
    const transport = mcpTransport(one);
    const closed = new Promise<void>((resolve) => {
      transport.onclose = resolve;
    });
    await transport.start();
    await closed;
  });
});

describe("serveMcp", () => {
  it("tells of a factory that fails, and lets the client go", async () => {
    let count = 0;
    const { service, connected } = await serving({
      ...sdks[0]!,
      factory: (client) => {
        if (count++ === 0) throw new Error("no server today");
        return sdks[0]!.factory(client);
      },
    });
    const failed = once(service, "peerError");
    await expect(connected()).rejects.toThrow(/closed/i);
    expect((await failed)[0]).toMatchObject({ message: "no server today" });
    expect(service.clients.size).toBe(0);
    expect((await (await connected()).call("echo", { text: "b" })).content).toHaveLength(1);
  });

  it("tells the factory which process the client is", async () => {
    const pids: (number | undefined)[] = [];
    const { connected } = await serving({
      ...sdks[0]!,
      factory: (client) => {
        pids.push(client.peer.pid);
        return sdks[0]!.factory(client);
      },
    });
    await connected();
    expect(pids).toEqual([process.pid]);
  });
});

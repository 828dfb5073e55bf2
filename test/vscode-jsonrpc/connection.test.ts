import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { json, memoryPair } from "ringbell";
import {
  connectJsonrpc,
  type JsonrpcTransport,
  jsonrpcTransport,
  serveJsonrpc,
} from "ringbell/vscode-jsonrpc";
import { describe, expect, it } from "vitest";
import {
  type CancellationToken,
  CancellationTokenSource,
  createMessageConnection,
  type MessageConnection,
  ProgressType,
} from "vscode-jsonrpc/node";
import { ending, privateDirectory, program, until } from "../rpc/setup.js";

const connection = ({ reader, writer, cancellationStrategy }: JsonrpcTransport) =>
  createMessageConnection(reader, writer, undefined, { cancellationStrategy });

/** Both ends of a connection in this process, over a transport. */
async function pair(transport: "shm" | "stream") {
  const directory = privateDirectory();
  let resolve!: (server: MessageConnection) => void;
  const serving = new Promise<MessageConnection>((done) => {
    resolve = done;
  });
  const service = ending(
    await serveJsonrpc("ls", (client) => resolve(connection(client)), { directory, transport }),
  );
  const client = connection(await connectJsonrpc("ls", { directory }));
  const server = await serving;
  client.listen();
  return { client, server, service, directory };
}

const step = new ProgressType<number>();

describe.each(["shm", "stream"] as const)("a connection of vscode-jsonrpc over %s", (transport) => {
  it("carries requests, errors, notifications and progress both ways, in order", async () => {
    const { client, server } = await pair(transport);
    const heard: unknown[] = [];
    server.onRequest("add", (a: number, b: number) => a + b);
    server.onRequest("fail", () => {
      throw new Error("it failed");
    });
    server.onNotification("note", (text) => void heard.push(text));
    server.onRequest("steps", async () => {
      for (let i = 1; i <= 3; i++) await server.sendProgress(step, "t", i);
      return "done";
    });
    server.listen();
    expect(await client.sendRequest("add", 1, 2)).toBe(3);
    await expect(client.sendRequest("fail")).rejects.toThrow("it failed");
    const seen: number[] = [];
    client.onProgress(step, "t", (value) => void seen.push(value));
    for (const text of ["a", "b", "c"]) await client.sendNotification("note", text);
    expect(await client.sendRequest("steps")).toBe("done");
    expect([heard, seen]).toEqual([
      ["a", "b", "c"],
      [1, 2, 3],
    ]);
    client.onRequest("back", () => "and back");
    expect(await server.sendRequest("back")).toBe("and back");
    client.dispose();
  });

  it("carries 5 MiB", async () => {
    const { client, server } = await pair(transport);
    server.onRequest("big", () => "x".repeat(5 * 1024 * 1024));
    server.listen();
    expect(await client.sendRequest("big")).toHaveLength(5 * 1024 * 1024);
    client.dispose();
  });

  it("cancels a handler that waits", async () => {
    const { client, server } = await pair(transport);
    const begun = new Promise<void>((resolve) => {
      server.onRequest("wait", async (_: unknown, token: CancellationToken): Promise<string> => {
        resolve();
        await new Promise<void>((done) => token.onCancellationRequested(() => done()));
        return token.isCancellationRequested ? "cancelled" : "not";
      });
    });
    server.listen();
    const source = new CancellationTokenSource();
    const answer = client.sendRequest("wait", {}, source.token);
    await begun;
    source.cancel();
    expect(await answer).toBe("cancelled");
    client.dispose();
  });

  it("tells both sides of the end once, and rejects what waits for an answer", async () => {
    const { client, server, service } = await pair(transport);
    const closes = { client: 0, server: 0 };
    client.onClose(() => closes.client++);
    server.onClose(() => closes.server++);
    server.onRequest("hang", () => new Promise(() => {}));
    server.onRequest("ping", () => "pong");
    server.listen();
    const hanging = expect(client.sendRequest("hang")).rejects.toMatchObject({
      code: -32097,
      message: "the connection has ended: peer-closed",
    });
    await client.sendRequest("ping");
    await service.close();
    await hanging;
    await until(() => closes.client === 1 && closes.server === 1);
    expect(() => client.sendRequest("ping")).toThrow("Connection is closed");
    client.dispose();
    expect(closes).toEqual({ client: 1, server: 1 });
  });

  it("ends for the other side when one side disposes of it", async () => {
    const { client, server } = await pair(transport);
    server.listen();
    const closed = new Promise<void>((resolve) => server.onClose(resolve));
    client.dispose();
    await closed;
  });
});

/** A server in a process of its own. */
async function childServer(handlers: string) {
  const directory = privateDirectory();
  const child = program(
    `const { createMessageConnection } = await import(${JSON.stringify(import.meta.resolve("vscode-jsonrpc/node"))});
    const { serveJsonrpc } = await import(${JSON.stringify(new URL("../../dist/vscode-jsonrpc/index.js", import.meta.url).href)});
    await serveJsonrpc("ls", ({ reader, writer, cancellationStrategy }) => {
      const server = createMessageConnection(reader, writer, undefined, { cancellationStrategy });
      ${handlers}
      server.listen();
    }, { directory });
    report("serving");`,
    directory,
  );
  await child.said("serving");
  const client = connection(await connectJsonrpc("ls", { directory }));
  client.listen();
  return { child, client };
}

describe("a connection of vscode-jsonrpc with another process", () => {
  it("stops a handler that computes and never returns to its event loop, by its token", async () => {
    const { child, client } = await childServer(`
      server.onRequest("ping", () => "pong");
      server.onRequest("compute", (_, token) => {
        report("computing");
        const begin = performance.now();
        while (!token.isCancellationRequested && performance.now() - begin < 20_000);
        return token.isCancellationRequested ? "stopped" : "ran to its end";
      });`);
    // The first id is 0, which has no cell.
    await client.sendRequest("ping");
    const source = new CancellationTokenSource();
    const begin = performance.now();
    const answer = client.sendRequest("compute", {}, source.token);
    await child.said("computing");
    source.cancel();
    expect(await answer).toBe("stopped");
    expect(performance.now() - begin).toBeLessThan(10_000);
    client.dispose();
  });

  it("rejects what waits for an answer when that process is killed, with the reason", async () => {
    const { child, client } = await childServer(`
      server.onRequest("hang", () => { report("hanging"); return new Promise(() => {}); });`);
    const errors: unknown[] = [];
    client.onError(([error]) => errors.push(error));
    const closed = new Promise<void>((resolve) => client.onClose(resolve));
    const hanging = expect(client.sendRequest("hang")).rejects.toThrow(/process \d+, ended without closing/);
    await child.said("hanging");
    child.child.kill("SIGKILL");
    await hanging;
    await closed;
    expect(errors).toMatchObject([{ code: "ERR_RINGBELL_PEER_DIED" }]);
    client.dispose();
  });
});

describe("jsonrpcTransport", () => {
  it("reads once, and ends where somebody else reads", async () => {
    const [one] = memoryPair({ codec: json() });
    const { reader } = jsonrpcTransport(one);
    const closed = new Promise<void>((resolve) => reader.onClose(resolve));
    one.on("message", () => {});
    reader.listen(() => {});
    expect(() => reader.listen(() => {})).toThrow("belongs to a connection already");
    await closed;
  });

  it("tells of messages that can't be sent, and goes on", async () => {
    const [one, other] = memoryPair({ codec: json() });
    const { writer } = jsonrpcTransport(one);
    const errors: unknown[] = [];
    writer.onError(([error, , count]) => errors.push([error.name, count]));
    await expect(writer.write({ jsonrpc: "2.0", params: 1n } as never)).rejects.toThrow("bigint");
    await writer.write({ jsonrpc: "2.0" });
    expect(errors).toEqual([["EncodeError", 1]]);
    expect(await other.receive()).toEqual({ jsonrpc: "2.0" });
    writer.end();
    await once(other, "close");
  });

  it("goes on after garbage of the peer", async () => {
    const [one, other] = memoryPair({ codec: json() });
    const server = connection(jsonrpcTransport(one));
    server.onRequest("ping", () => "pong");
    server.onError(() => {});
    server.listen();
    for (const garbage of [5, null, [], "text", { id: {} }, { jsonrpc: "2.0", id: 99, result: 1 }]) {
      await other.send(garbage);
    }
    await other.send({ jsonrpc: "2.0", id: 1, method: "ping" });
    const answers: unknown[] = [];
    other.on("message", (message) => answers.push(message));
    while (!answers.some((answer) => (answer as { result?: unknown }).result === "pong")) await sleep(1);
    server.dispose();
  });
});

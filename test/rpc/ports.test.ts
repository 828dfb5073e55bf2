import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { MessageChannel, Worker } from "node:worker_threads";
import * as fc from "fast-check";
import {
  contract,
  duplexPort,
  messagePort,
  open,
  type RpcPort,
  request,
  serve,
  stream,
  webSocketPort,
} from "ringbell/rpc";
import { describe, expect, it, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import { ending, privateDirectory } from "./setup.js";

const tools = contract("tools", {
  echo: request(z.object({ text: z.string() }), z.string()),
  count: stream(z.object({ to: z.number() }), z.number()),
});
const handlers = {
  echo: ({ text }: { text: string }) => text,
  *count({ to }: { to: number }) {
    for (let i = 0; i < to; i++) yield i;
  },
};

async function sockets(): Promise<[Socket, Socket]> {
  const path = join(privateDirectory(), "socket");
  const server = createServer().listen(path);
  await once(server, "listening");
  const one = dial(path);
  const [other] = (await once(server, "connection")) as [Socket];
  server.close();
  return [one, other];
}

async function webSockets(): Promise<[RpcPort, RpcPort]> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const one = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [[other]] = await Promise.all([once(server, "connection"), once(one, "open")]);
  server.close();
  // A small limit, so that sends wait.
  return [webSocketPort(one, { maxBufferedBytes: 1000 }), webSocketPort(other as WebSocket)];
}

async function portsOver(kind: string): Promise<[RpcPort, RpcPort]> {
  if (kind === "MessagePort") {
    const { port1, port2 } = new MessageChannel();
    return [messagePort(port1), messagePort(port2)];
  }
  if (kind === "WebSocket") return webSockets();
  const framing = kind as "lines";
  const [one, other] = await sockets();
  return [duplexPort(one, { framing }), duplexPort(other, { framing })];
}

describe.each(["lines", "length", "content-length", "MessagePort", "WebSocket"])("calls over %s", (kind) => {
  it("are answered, stream, and end with the port (S0.20, S1.29, S2.22, S4.13)", async () => {
    const [one, other] = await portsOver(kind);
    ending(await serve(tools, handlers, { port: one }));
    const client = ending(await open(tools, { port: other }));
    const text = "a line\nand ümläuts\u2028".repeat(20_000);
    expect(await client.echo({ text })).toBe(text);
    const many = await Promise.all(Array.from({ length: 300 }, (_, i) => client.echo({ text: `${i}` })));
    expect(many).toEqual(Array.from({ length: 300 }, (_, i) => `${i}`));
    let sum = 0;
    for await (const item of client.count({ to: 2000 })) sum += item;
    expect(sum).toBe(1_999_000);
    one.destroy();
    expect((await client.closed).reason).toBe("peer-closed");
    await expect(client.echo({ text: "" })).rejects.toMatchObject({ code: "ERR_RINGBELL_CALL_LOST" });
  });
});

describe.each(["lines", "length", "MessagePort", "WebSocket"])("a port of %s", (kind) => {
  it("keeps what comes while nobody listens, in order, for the next listener", async () => {
    const [one, other] = await portsOver(kind);
    ending(one);
    ending(other);
    const seen: unknown[] = [];
    const first = (message: unknown) => {
      seen.push(message);
      if (message === 1) other.off!("message", first);
    };
    other.on("message", first);
    for (let i = 0; i < 500; i++) await one.send(i);
    await vi.waitFor(() => expect(seen).toEqual([0, 1]));
    other.off!("message", first);
    const done = new Promise<void>((resolve) => {
      other.on("message", (message) => {
        seen.push(message);
        if (message === 499) resolve();
      });
    });
    await done;
    expect(seen).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });
});

describe("a port of a stream", () => {
  it("closes though the other side takes nothing, when the time of `close` is over", async () => {
    const [one, other] = await portsOver("lines");
    for (let i = 0; i < 100; i++) void one.send("x".repeat(100_000)).catch(() => {});
    const began = performance.now();
    await one.close({ timeout: 50 });
    expect(performance.now() - began).toBeLessThan(4000);
    expect((await one.closed).reason).toBe("ended");
    other.destroy();
  });

  it("makes the other side wait while nobody listens", async () => {
    const [one, other] = await portsOver("lines");
    ending(one);
    ending(other);
    const listener = () => {};
    other.on("message", listener);
    other.off!("message", listener);
    const text = "x".repeat(100_000);
    // More than the kernel and the streams keep.
    let through = 0;
    const waiting = Promise.all(Array.from({ length: 100 }, () => one.send(text).then(() => through++)));
    for (let i = 0; i < 200; i++) await new Promise(setImmediate);
    expect(through).toBeLessThan(50);
    other.on("message", listener);
    await waiting;
  });

  it.each(["lines", "length", "content-length"] as const)(
    "cuts %s wherever the chunks are cut (S0.44, S1.24, S1.25, S2.2)",
    async (framing) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.string({ unit: "grapheme" })),
          fc.integer({ min: 1, max: 7 }),
          async (texts, step) => {
            const [there, here] = [new PassThrough(), new PassThrough()];
            const sender = duplexPort({ readable: new PassThrough(), writable: there }, { framing });
            for (const text of texts) await sender.send(text);
            // From Node 26 on, one read() gives one chunk.
            const chunks: Buffer[] = [];
            for (let chunk = there.read(); chunk !== null; chunk = there.read()) chunks.push(chunk);
            const bytes = Buffer.concat(chunks);
            const seen: unknown[] = [];
            const receiver = duplexPort(here, { framing });
            receiver.on("message", (message) => seen.push(message));
            for (let at = 0; at < bytes.length; at += step) here.write(bytes.subarray(at, at + step));
            here.end();
            await receiver.closed;
            expect(seen).toEqual(texts);
          },
        ),
        { numRuns: 50 },
      );
    },
  );

  it("says that a message is sent when the stream has written it, and fails what the end finds unwritten", async () => {
    let go = () => {};
    const writable = new Writable({
      write(_chunk, _encoding, done) {
        go = done;
      },
    });
    const port = duplexPort({ readable: new PassThrough(), writable });
    let sent = 0;
    const sends = [1, 2].map((n) => port.send(n).then(() => sent++));
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toBe(0);
    go();
    await sends[0];
    expect(sent).toBe(1);
    // Nobody waits for this one.
    void port.send(3);
    port.destroy();
    await expect(sends[1]).rejects.toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
  });

  it("skips empty lines, and goes on after a line that is not JSON (S2.2)", async () => {
    const stream = new PassThrough();
    const port = duplexPort(stream);
    const [messages, errors] = [[] as unknown[], [] as Error[]];
    port.on("message", (message) => messages.push(message));
    port.on("error", (error) => errors.push(error));
    stream.end('1\r\n\n  \n{"a\n2\n');
    await port.closed;
    expect(messages).toEqual([1, 2]);
    expect(errors.map(({ name }) => name)).toEqual(["DecodeError"]);
  });

  it.each([
    ["lines", "x".repeat(2000)],
    ["length", "0000zz00{}"],
    ["length", "0000ffff"],
    ["content-length", "Content-Length: 99999\r\n\r\n"],
    ["content-length", "Length: 2\r\n\r\n{}"],
    ["content-length", "y".repeat(5000)],
  ] as const)("ends where %s can't be cut any more: %.12s", async (framing, text) => {
    const stream = new PassThrough();
    const port = duplexPort(stream, { framing, maxMessageBytes: 1000 });
    stream.write(text);
    const { reason, error } = await port.closed;
    expect([reason, error?.name]).toEqual(["protocol-error", "DecodeError"]);
    expect(stream.destroyed).toBe(true);
  });

  it("waits for room, in order", async () => {
    const [one, other] = await sockets();
    const sender = duplexPort(one);
    other.pause();
    let tried = 0;
    while (sender.trySend({ number: tried })) tried++;
    const sends = [1, 2, 3].map((more) => sender.send({ number: tried - 1 + more }));
    expect(sender.trySend({ number: -1 })).toBe(false);
    const numbers: number[] = [];
    const receiver = duplexPort(other);
    receiver.on("message", (message) => numbers.push((message as { number: number }).number));
    other.resume();
    await Promise.all(sends);
    await sender.close();
    await receiver.closed;
    expect(numbers).toEqual(Array.from({ length: tried + 3 }, (_, i) => i));
  });

  it("serves a child over its standard streams (S0.16)", async () => {
    const module = new URL("../../dist/rpc/index.js", import.meta.url).href;
    const code = `import { contract, duplexPort, serve } from ${JSON.stringify(module)};
await serve(contract("tools"), { echo: ({ text }) => text + "!" }, { port: duplexPort({ readable: process.stdin, writable: process.stdout }) });`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    const client = await open(contract<{ echo(params: { text: string }): Promise<string> }>("tools"), {
      port: duplexPort({ readable: child.stdout, writable: child.stdin }),
    });
    expect(await client.echo({ text: "hi" })).toBe("hi!");
    await client.close();
    expect(await exited).toEqual([0, null]);
  });

  it("serves a worker thread", async () => {
    const module = new URL("../../dist/rpc/index.js", import.meta.url).href;
    const code = `import(${JSON.stringify(module)}).then(({ contract, messagePort, serve }) =>
      serve(contract("tools"), { echo: ({ text }) => text + "!" }, { port: messagePort(require("node:worker_threads").parentPort) }));`;
    const worker = new Worker(code, { eval: true });
    const client = await open(contract<{ echo(params: { text: string }): Promise<string> }>("tools"), {
      port: messagePort(worker),
    });
    expect(await client.echo({ text: "hi" })).toBe("hi!");
    await worker.terminate();
    expect((await client.closed).reason).toBe("peer-closed");
  });
});

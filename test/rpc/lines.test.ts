import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect as dial, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import {
  type Call,
  contract,
  notification,
  open,
  request,
  type ServeOptions,
  serve,
  stream,
} from "ringbell/rpc";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { ending, privateDirectory, program, until } from "./setup.js";

const tools = contract("tools", {
  search: request(z.object({ q: z.string() }), z.array(z.string())),
  slow: request(z.object({ ms: z.number() }), z.number(), { progress: z.number() }),
  tail: stream(z.object({ to: z.number() }), z.number()),
  log: notification(z.object({ line: z.string() })),
  hang: request(),
});

async function serving(options: ServeOptions = {}) {
  const logged: string[] = [];
  const calls: Call[] = [];
  const directory = privateDirectory();
  const service = ending(
    await serve(
      tools,
      {
        search: ({ q }, call) => {
          calls.push(call);
          return [q, `${q}!`];
        },
        slow: async ({ ms }, call) => {
          await call.progress(1);
          await sleep(ms);
          return ms;
        },
        async *tail({ to }) {
          for (let i = 0; i < to; i++) yield i;
        },
        log: ({ line }) => logged.push(line),
        hang: (_, call) => {
          calls.push(call);
          return new Promise<undefined>(() => {});
        },
      },
      { directory, ...options } as never,
    ),
  );
  return { service, path: service.path!, logged, calls, directory };
}

/** A socket to the service, and the lines that come from it. */
async function raw(path: string) {
  const socket = dial({ path, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    return done ? undefined : JSON.parse(value);
  };
  return { socket, next, say: (message: unknown) => say(socket, message) };
}

function say(socket: Socket, message: unknown) {
  socket.write(typeof message === "string" ? message : `${JSON.stringify(message)}\n`);
}

const call = (id: number, method: string, params?: unknown) => ({ jsonrpc: "2.0", id, method, params });

for (const transport of ["shm", "stream"] as const) {
  const options: ServeOptions = { transport };

  describe(`lines of JSON on the socket of a service over ${transport}`, () => {
    it("are answered: requests, batches, errors, and what is no JSON", async () => {
      const { path, logged, calls } = await serving(options);
      const { say, next } = await raw(path);
      say(call(1, "search", { q: "x" }));
      expect(await next()).toEqual({ jsonrpc: "2.0", id: 1, result: ["x", "x!"] });
      say([call(2, "search", { q: "y" }), call(3, "none")]);
      expect(await next()).toMatchObject([
        { id: 2, result: ["y", "y!"] },
        { id: 3, error: { code: -32601 } },
      ]);
      say({ jsonrpc: "2.0", method: "log", params: { line: "hello" } });
      say(call(4, "search", { q: 5 }));
      expect(await next()).toMatchObject({ id: 4, error: { code: -32602 } });
      say("{nonsense\n");
      expect(await next()).toMatchObject({ id: null, error: { code: -32700 } });
      expect(logged).toEqual(["hello"]);
      expect(calls[0]!.peer!.pid).toBe(process.pid);
    });

    it("may come in any pieces, and begin with a batch", async () => {
      const { path } = await serving(options);
      const { socket, next } = await raw(path);
      const text = Buffer.from(`${JSON.stringify([call(1, "search", { q: "ä€😀" })])}\r\n`);
      for (const byte of text) {
        socket.write(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
      expect(await next()).toEqual([{ jsonrpc: "2.0", id: 1, result: ["ä€😀", "ä€😀!"] }]);
    });

    it("are answered after the caller has ended its writing, and then the socket is closed", async () => {
      const { path, service } = await serving(options);
      const { socket, next } = await raw(path);
      socket.end(
        `${JSON.stringify(call(1, "slow", { ms: 50 }))}\n${JSON.stringify(call(2, "tail", { to: 3 }))}\n`,
      );
      const got: Record<string, unknown>[] = [];
      for (let line = await next(); line !== undefined; line = await next()) got.push(line);
      expect(got.filter(({ id }) => id === 1)).toEqual([{ jsonrpc: "2.0", id: 1, result: 50 }]);
      expect(got.filter(({ method }) => method === "rpc.progress")).toHaveLength(1);
      expect(got.some(({ id }) => id === 2)).toBe(true);
      await until(() => service.clients.size === 0);
    });

    it("are refused beside others only if they are wrong: callers by the library go on", async () => {
      const { path, directory, service } = await serving(options);
      const client = ending(await open(tools, { directory }));
      const { say, next, socket } = await raw(path);
      say(call(1, "search", { q: "x" }));
      expect(await client.search({ q: "z" })).toEqual(["z", "z!"]);
      expect(await next()).toMatchObject({ id: 1 });
      socket.destroy();
      await until(() => service.clients.size === 1);
      expect(await client.search({ q: "z" })).toEqual(["z", "z!"]);
    });

    it("that are too long end the connection, with an error", async () => {
      const { path } = await serving({ ...options, maxMessageBytes: 1000 });
      const { say, next } = await raw(path);
      say(`{"jsonrpc":"2.0","id":1,"method":"search","params":{"q":"${"x".repeat(5000)}`);
      const answers = [await next(), await next()].filter((answer) => answer !== undefined);
      for (const answer of answers) expect(answer).toMatchObject({ error: { code: -32700 } });
    });

    it("have the service's limits: a call beyond them is refused", async () => {
      const { path } = await serving({ ...options, concurrency: 1, queue: 1 });
      const { say, next } = await raw(path);
      for (const id of [1, 2, 3]) say(call(id, "hang"));
      expect(await next()).toMatchObject({ id: 3, error: { code: -32000 } });
    });

    it("have the service's permissions: whom `authorize` does not let in gets no answer", async () => {
      const asked: unknown[] = [];
      const errors: Error[] = [];
      const { path, service, calls } = await serving({
        ...options,
        authorize: (peer) => {
          asked.push(peer.pid);
          return false;
        },
      });
      service.on("peerError", (error) => errors.push(error));
      const { say, socket } = await raw(path);
      const closed = once(socket, "end");
      socket.resume();
      say(call(1, "search", { q: "x" }));
      await closed;
      expect(asked).toHaveLength(1);
      expect(errors).toMatchObject([{ code: "ERR_RINGBELL_REFUSED" }]);
      expect([calls.length, service.clients.size]).toEqual([0, 0]);
    });

    it("are no handshake where the service wants none", async () => {
      const { path, service } = await serving({ ...options, lines: false });
      const errors: Error[] = [];
      service.on("peerError", (error) => errors.push(error));
      const { say, socket } = await raw(path);
      const closed = once(socket, "end");
      socket.resume();
      say(call(1, "search", { q: "x" }));
      await closed;
      expect(errors).toMatchObject([{ code: "ERR_RINGBELL_HANDSHAKE" }]);
    });

    it("of a caller that does not read hold up nobody, and take no memory without end", async () => {
      const { path, directory } = await serving(options);
      const { socket, say } = await raw(path);
      socket.pause();
      say(call(1, "tail", { to: 1e9 }));
      const text = `${JSON.stringify(call(2, "search", { q: "x".repeat(1000) }))}\n`;
      for (let i = 0; i < 20_000; i++) socket.write(text);
      const client = ending(await open(tools, { directory }));
      for (let i = 0; i < 50; i++) expect(await client.search({ q: "z" })).toEqual(["z", "z!"]);
      // What the caller could not write waits at the caller.
      expect(socket.writableLength).toBeGreaterThan(1_000_000);
      socket.destroy();
    });
  });
}

describe("a service", () => {
  it("is called by a shell, and by Python, with what they have built in", async () => {
    const { path } = await serving();
    const script = `import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
f = s.makefile("rw")
f.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "search", "params": {"q": "x"}}) + "\\n")
f.flush()
print(json.loads(f.readline())["result"][1])`;
    const run = promisify(execFile);
    const { stdout } = await run("python3", ["-c", script, path]);
    expect(stdout.trim()).toBe("x!");
    const line = `{"jsonrpc":"2.0","id":1,"method":"search","params":{"q":"x"}}`;
    const tool = has("nc") ? `nc -U -N` : has("socat") ? `socat -t5 - UNIX-CONNECT:` : undefined;
    if (tool === undefined) return;
    const target = tool.startsWith("nc") ? ` ${path}` : path;
    const shell = await run("sh", ["-c", `echo '${line}' | ${tool}${target}`]);
    expect(JSON.parse(shell.stdout)).toMatchObject({ id: 1, result: ["x", "x!"] });
  });

  it("without the addon is called by lines, too, also by one who has ended its writing", async () => {
    const directory = privateDirectory();
    process.env.RINGBELL_NO_ADDON = "1";
    onTestFinished(() => void delete process.env.RINGBELL_NO_ADDON);
    const service = program(
      `const service = await serve(contract("tools"), { slow: async ({ ms }) => { await sleep(ms); return ms; } }, { directory });
       report(service.path);
       report("serving");`,
      directory,
    );
    await service.said("serving");
    const { socket, next } = await raw(service.lines[0]!);
    socket.end(`${JSON.stringify(call(1, "slow", { ms: 20 }))}\n`);
    expect(await next()).toEqual({ jsonrpc: "2.0", id: 1, result: 20 });
    expect(await next()).toBe(undefined);
  });

  it("answers the status query on the same socket (S1.8)", async () => {
    const { path } = await serving();
    const socket = dial(path);
    socket.write("status\n");
    let text = "";
    for await (const chunk of socket) text += chunk;
    expect(JSON.parse(text)).toMatchObject({ name: "tools", pid: process.pid });
  });

  it("closes though a caller takes nothing", async () => {
    const { path, service, calls } = await serving();
    const { socket, say } = await raw(path);
    socket.pause();
    say(call(1, "search", { q: "x" }));
    say(call(2, "tail", { to: 1e9 }));
    await until(() => calls.length === 1);
    // What the stream has sent fills the socket.
    for (let i = 0; i < 200; i++) await new Promise(setImmediate);
    const began = performance.now();
    await service.close();
    expect(performance.now() - began).toBeLessThan(9000);
  });

  it("lets callers by lines go when it closes, and when they are killed", async () => {
    const { path, service, calls } = await serving();
    const one = await raw(path);
    one.say(call(1, "hang"));
    await until(() => calls.length === 1);
    const left: unknown[] = [];
    service.on("leave", () => left.push(1));
    const killed = program(`import { connect } from "node:net";
      const socket = connect(${JSON.stringify(path)});
      socket.write('{"jsonrpc":"2.0","id":1,"method":"tail","params":{"to":1e9}}\\n');
      socket.once("data", () => report("running"));`);
    await killed.said("running");
    killed.child.kill("SIGKILL");
    await until(() => left.length === 1);
    const ended = once(one.socket, "end");
    one.socket.resume();
    await service.close();
    await ended;
    expect(calls[0]!.cancelled).toBe(true);
  });
});

function has(command: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${command}`]);
    return true;
  } catch {
    return false;
  }
}

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text as readAll } from "node:stream/consumers";
import { type Channel, json, listen, type Server, text } from "ringbell";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

// S1.9: the program in examples/c has nothing of ours in it but what docs/layout.md says.
describe.runIf(process.platform === "linux")("a peer written in C from docs/layout.md", () => {
  let directory: string;
  let program: string;
  let lateWaker: string;
  let socket: string;
  let server: Server<string, string> | undefined;
  const children: ChildProcess[] = [];

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "ringbell-c-"));
    program = join(directory, "peer");
    lateWaker = join(directory, "late_waker");
    const compile = (source: string, output: string, ...flags: string[]) => {
      const path = new URL(`../../${source}`, import.meta.url).pathname;
      execFileSync(process.env.CC ?? "cc", [
        "-std=c11",
        "-O2",
        "-Wall",
        "-Wextra",
        ...flags,
        path,
        "-o",
        output,
      ]);
    };
    compile("examples/c/peer.c", program, "-Wconversion", "-Werror");
    compile("native/test/late_waker.c", lateWaker, "-Wno-unused-function");
  }, 60_000);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  beforeEach(() => {
    socket = join(directory, "c.sock");
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await server?.close();
    server = undefined;
  });

  function start(...args: string[]) {
    return run(program, args);
  }
  function run(command: string, args: string[]) {
    const child = spawn(command, [socket, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    children.push(child);
    return {
      child,
      output: readAll(child.stdout),
      complaint: readAll(child.stderr),
      exit: once(child, "exit") as Promise<[number | null, string | null]>,
    };
  }

  async function accept(from: Server<string, string>): Promise<Channel<string, string>> {
    for await (const channel of from) return channel;
    throw new Error("the server closed");
  }

  test("asks, is answered, and closes in order", async () => {
    server = await listen(socket, { codec: text(), transport: "shm" });
    const { output, complaint, exit } = start("ask", "one", "", "drei – ☃");
    const channel = await accept(server);
    expect(channel.transport).toBe("shm");
    expect(channel.peer.role).toBe("c-example");
    for await (const message of channel) await channel.send(`<${message}>`);
    expect((await channel.closed).reason).toBe("peer-closed");
    expect(await exit).toEqual([0, null]);
    expect(await output).toBe("<one>\n<>\n<drei – ☃>\n");
    expect(await complaint).toBe("");
  });

  test("echoes thousands of messages of every size, with both rings full now and then", async () => {
    server = await listen(socket, { codec: text(), transport: "shm", capacity: 4096 });
    const { child, exit } = start("echo");
    const channel = await accept(server);
    expect(channel.peer.pid).toBe(child.pid);
    const messages = Array.from({ length: 3000 }, (_, n) => `${n}:${"x".repeat((n * 37) % 2030)}`);
    const sending = (async () => {
      for (const message of messages) await channel.send(message);
    })();
    let n = 0;
    for await (const message of channel) {
      expect(message).toBe(messages[n]);
      n += 1;
      if (n === messages.length) break;
    }
    await sending;
    await channel.close();
    expect(await exit).toEqual([0, null]);
  });

  test("sleeps between messages and is woken by the bell", async () => {
    server = await listen(socket, { codec: text(), transport: "shm", spin: 0 });
    const { exit } = start("echo");
    const channel = await accept(server);
    for (let n = 0; n < 500; n++) {
      await channel.send(`${n}`);
      expect(await channel.receive()).toBe(`${n}`);
    }
    await channel.close();
    expect(await exit).toEqual([0, null]);
  });

  test("wakes a thread of ours that waits on the futex", async () => {
    server = await listen(socket, { codec: text(), transport: "shm", spin: 0 });
    const { exit } = start("echo");
    const channel = await accept(server);
    for (let n = 0; n < 200; n++) {
      expect(channel.sendSync(`${n}`, { timeout: 10_000 })).toBe(true);
      expect(channel.receiveSync({ timeout: 10_000 })).toBe(`${n}`);
    }
    await channel.close();
    expect(await exit).toEqual([0, null]);
  });

  test("is told why it is turned away where the codecs differ", async () => {
    const other = await listen(socket, { codec: json(), transport: "shm" });
    const { complaint, exit } = start("ask", "one");
    expect(await exit).toEqual([1, null]);
    expect(await complaint).toContain("codec");
    await other.close();
  });

  test("killed, it is reported dead, and the listener goes on", async () => {
    server = await listen(socket, { codec: text(), transport: "shm" });
    const first = start("echo");
    const channel = await accept(server);
    await channel.send("alive?");
    expect(await channel.receive()).toBe("alive?");
    first.child.kill("SIGKILL");
    expect((await channel.closed).reason).toBe("peer-died");
    const second = start("ask", "again");
    const next = await accept(server);
    for await (const message of next) await next.send(message);
    expect(await second.output).toBe("again\n");
    expect(await second.exit).toEqual([0, null]);
  });

  test("S0.34: a wake-up that comes late and finds nothing does not cost the next one", async () => {
    server = await listen(socket, { codec: text(), transport: "shm", spin: 0 });
    const { complaint, exit } = run(lateWaker, []);
    const channel = await accept(server);
    channel.on("message", (message) => channel.trySend(message));
    channel.on("error", () => {});
    expect(await complaint).toBe("");
    expect(await exit).toEqual([0, null]);
  });
});

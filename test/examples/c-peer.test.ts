import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text as readAll } from "node:stream/consumers";
import {
  type Block,
  bytes,
  type Channel,
  json,
  type ListenOptions,
  listen,
  type Server,
  text,
} from "ringbell";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { compileC } from "../c-compiler.js";

// S1.9: the program in examples/c has nothing of ours in it but what docs/layout.md says.
describe.runIf(process.platform === "linux")("a peer written in C from docs/layout.md", () => {
  let directory: string;
  let program: string;
  let lateWaker: string;
  let socket: string;
  let server: Server<Channel<string>> | undefined;
  const children: ChildProcess[] = [];

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "ringbell-c-"));
    program = join(directory, "peer");
    lateWaker = join(directory, "late_waker");
    const compile = (source: string, output: string, ...flags: string[]) => {
      const path = new URL(`../../${source}`, import.meta.url).pathname;
      compileC(["-std=c11", "-O2", "-Wall", "-Wextra", ...flags, path, "-o", output]);
    };
    compile("examples/c/peer.c", program, "-Wconversion", "-Werror");
    compile("native/test/late_waker.c", lateWaker, "-Wno-unused-function");
  }, 120_000);
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

  async function accept(from: Server<Channel<string>>): Promise<Channel<string, string>> {
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

  test("sends a long text back in the block that it came in", async () => {
    server = await listen(socket, { codec: text(), transport: "shm", capacity: 4096 });
    const { exit } = start("echo");
    const channel = await accept(server);
    for (const length of [2040, 2041, 100_000, 5_000_000, 300_000, 0, 5_000_000]) {
      const message = "äöü€x".repeat(length).slice(0, length);
      await channel.send(message);
      expect(await channel.receive()).toBe(message);
    }
    const { sentBlocks, receivedBlocks, lentBlocks, heldBlocks } = channel.stats().bulk;
    expect(sentBlocks).toBeGreaterThan(3);
    expect({ receivedBlocks, lentBlocks, heldBlocks }).toEqual({
      receivedBlocks: sentBlocks,
      lentBlocks: 0,
      heldBlocks: 0,
    });
    await channel.close();
    expect(await exit).toEqual([0, null]);
  });

  test("is sent no blocks where it wants none", async () => {
    server = await listen(socket, { codec: text(), transport: "shm", capacity: 4096 });
    const { output } = start("ask", "one");
    const channel = await accept(server);
    expect(channel.stats().bulk.limit).toBe(0);
    expect(await channel.receive()).toBe("one");
    await expect(channel.send("z".repeat(10_000))).rejects.toMatchObject({
      code: "ERR_RINGBELL_MESSAGE_TOO_LARGE",
    });
    await channel.send("short");
    expect(await output).toBe("short\n");
  });

  describe("adds up blocks", () => {
    interface Sum {
      readonly blocks: number;
      readonly bytes: number;
      readonly sum: number;
    }
    let sums: Server<Channel<unknown, Sum>> | undefined;
    afterEach(async () => {
      await sums?.close();
      sums = undefined;
    });

    async function adder(options: Partial<ListenOptions<unknown, Sum>> = {}) {
      sums = await listen(socket, { codec: json<Sum>(), transport: "shm", ...options });
      const peer = start("sum");
      for await (const channel of sums) return { ...peer, channel };
      throw new Error("the server closed");
    }

    function filled(channel: Channel<unknown, Sum>, bytes: number, value: number): Block {
      const block = channel.tryAllocate(bytes);
      if (block === undefined) throw new Error("no memory");
      block.bytes.fill(value);
      return block;
    }

    test("of every size, several in a message, and gives them back", async () => {
      const { channel, exit, complaint } = await adder();
      for (let round = 1; round <= 100; round++) {
        const sizes = [1, 64 + round, 4096, 70_000 + round, round % 10 === 0 ? 3_000_000 : 300_000];
        const blocks = sizes.map((size, i) => filled(channel, size, (i + round) % 256));
        const bytes = sizes.reduce((all, size) => all + size, 0);
        const sum = sizes.reduce((all, size, i) => all + size * ((i + round) % 256), 0);
        await channel.send({ round, blocks, text: "x".repeat(round * 10) });
        expect(await channel.receive()).toEqual({ blocks: 5, bytes, sum });
      }
      await channel.send("nothing");
      expect(await channel.receive()).toEqual({ blocks: 0, bytes: 0, sum: 0 });
      // An allocation takes in what was returned before the answer.
      channel.tryAllocate(10_000_000)?.release();
      expect(channel.stats().bulk).toMatchObject({ sentBlocks: 500, lentBlocks: 0, ownBlocks: 0 });
      await channel.close();
      expect(await exit).toEqual([0, null]);
      expect(await complaint).toBe("");
    });

    test("in a message that lies in a block itself", async () => {
      const { channel, exit } = await adder({ capacity: 4096 });
      for (let round = 0; round < 20; round++) {
        const block = filled(channel, 1000 + round, 3);
        await channel.send({ block, text: "y".repeat(100_000) });
        expect(await channel.receive()).toEqual({
          blocks: 1,
          bytes: 1000 + round,
          sum: 3 * (1000 + round),
        });
      }
      await channel.close();
      expect(await exit).toEqual([0, null]);
    });

    test("whose memory is taken away between two of them, as little is agreed", async () => {
      const { channel, exit, complaint } = await adder({ maxBulkBytes: 1_000_000 });
      for (let round = 1; round <= 60; round++) {
        const size = [600_000, 700_000, 1000, 900_000][round % 4]!;
        const block = await channel.allocate(size);
        block.bytes.fill(round);
        await channel.send(block);
        expect(await channel.receive()).toEqual({ blocks: 1, bytes: size, sum: size * round });
      }
      expect(channel.stats().bulk.allocatedBytes).toBeLessThanOrEqual(1_000_000 + 16_384);
      await channel.close();
      expect(await exit).toEqual([0, null]);
      expect(await complaint).toBe("");
    });

    test("that are shared and immutable, the same one several times", async () => {
      const { channel, exit, complaint } = await adder();
      for (const immutable of [false, true]) {
        const block = filled(channel, 500_000, 7);
        if (immutable) block.seal();
        const handles = block.share(6);
        await channel.send(handles.slice(0, 3));
        await channel.send(handles.slice(3, 5));
        expect(await channel.receive()).toEqual({ blocks: 3, bytes: 1_500_000, sum: 10_500_000 });
        expect(await channel.receive()).toEqual({ blocks: 2, bytes: 1_000_000, sum: 7_000_000 });
        handles[5]!.release();
      }
      await channel.send("nothing");
      await channel.receive();
      // An allocation takes in what was returned.
      channel.tryAllocate(10_000_000)?.release();
      expect(channel.stats().bulk.lentBlocks).toBe(0);
      await channel.close();
      expect(await exit).toEqual([0, null]);
      expect(await complaint).toBe("");
    });

    test("that all come back when it is killed", async () => {
      const { channel, child } = await adder({ maxBulkBytes: 64 * 1024 * 1024 });
      for (let n = 0; n < 50; n++) await channel.send(filled(channel, 1_000_000, 1));
      child.kill("SIGKILL");
      expect((await channel.closed).reason).toBe("peer-died");
      expect(channel.stats().bulk).toMatchObject({ lentBlocks: 0, ownBlocks: 0 });
    });
  });

  test("is told why it is turned away where the codecs differ", async () => {
    const other = await listen(socket, { codec: bytes(), transport: "shm" });
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

  test("a wake-up that comes late and finds nothing does not cost the next one (S0.34)", async () => {
    server = await listen(socket, { codec: text(), transport: "shm", spin: 0 });
    const { complaint, exit } = run(lateWaker, []);
    const channel = await accept(server);
    channel.on("message", (message) => channel.trySend(message));
    channel.on("error", () => {});
    expect(await complaint).toBe("");
    expect(await exit).toEqual([0, null]);
  });
});

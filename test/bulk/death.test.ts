import { once } from "node:events";
import { readdirSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { listen } from "ringbell";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Block } from "../../lib/bulk/block.js";
import { first } from "../channel/setup.js";
import {
  brokenAt,
  counts,
  KIB,
  type Message,
  MIB,
  mappings,
  memoryDescriptors,
  pair,
  peer,
  privateDirectory,
  reported,
  script,
  stamp,
  turns,
  until,
} from "./setup.js";

const backings = ["sealed", "named"] as const;

/** Names in shared memory that are ours, or our children's. */
const names = () => readdirSync("/dev/shm").filter((name) => name.startsWith("ringbell-"));

/** Waits until what was closed is unmapped, and compares. */
async function leavesNothing(before: { mappings: number; memory: number }): Promise<void> {
  await turns(3);
  expect({ mappings: mappings(), memory: memoryDescriptors() }).toEqual(before);
}

const state = () => ({ mappings: mappings(), memory: memoryDescriptors() });

const KEEP = `const kept = []; channel.on("message", (message) => {
  kept.push(message);
  if (message.last) report("all");
});`;

describe.each(backings)("with %s memory", (backing) => {
  it("a receiver that is killed with a thousand blocks in hand gives all of them back", async () => {
    await turns(3);
    const before = state();
    const { child, channel } = await peer("shm", KEEP, { backing });
    const told = reported(child);
    for (let i = 0; i < 1000; i++) {
      const block = await channel.allocate(i % 10 === 0 ? 300 * KIB : 1000 + i);
      await channel.send({ last: i === 999, block });
    }
    await told;
    expect(counts(channel)).toEqual({ own: 0, lent: 1000, held: 0 });
    const own = channel.tryAllocate(5000)!;
    child.kill("SIGKILL");
    expect((await channel.closed).reason).toBe("peer-died");
    // What this process has itself stays.
    expect(counts(channel)).toEqual({ own: 1, lent: 0, held: 0 });
    stamp(own.bytes, 1);
    expect(brokenAt(own.bytes, 1)).toBe(-1);
    own.release();
    expect(channel.stats().bulk).toMatchObject({ ownBlocks: 0, allocatedBytes: 0 });
    await leavesNothing(before);
    expect(names()).toEqual([]);
  });

  it("blocks of a killed owner stay readable until they are released; then their memory goes", async () => {
    await turns(3);
    const before = state();
    const { child, channel } = await peer(
      "shm",
      `for (const [i, size] of ${JSON.stringify([100, 5000, 100_000, 2 * MIB])}.entries()) {
        const block = channel.tryAllocate(size);
        block.bytes.fill(i + 1);
        await channel.send({ block });
      }
      const [shared, other] = channel.tryAllocate(${MIB}).share(2);
      shared.bytes.fill(5);
      const sealed = channel.tryAllocate(${MIB});
      sealed.bytes.fill(6);
      await channel.send({ block: shared });
      await channel.send({ block: ${backing === "named" ? "other" : "sealed.seal()"} });
      report("sent");`,
      { backing },
    );
    await reported(child);
    // Half of it was received before the end, half comes after it.
    const blocks: Block[] = [];
    for (let i = 0; i < 3; i++) blocks.push(((await channel.receive()) as Message & { block: never }).block);
    child.kill("SIGKILL");
    await until(() => channel.state === "closed");
    for (let message = channel.tryReceive(); message !== undefined; message = channel.tryReceive()) {
      blocks.push((message as { block: never }).block);
    }
    const contents = blocks.map(({ bytes }: { bytes: Uint8Array }) => [bytes.length, ...new Set(bytes)]);
    expect(contents).toEqual([
      [100, 1],
      [5000, 2],
      [100_000, 3],
      [2 * MIB, 4],
      [MIB, 5],
      [MIB, backing === "named" ? 5 : 6],
    ]);
    expect(counts(channel)).toEqual({ own: 0, lent: 0, held: 6 });
    expect(mappings()).toBeGreaterThan(before.mappings);
    expect(names()).toEqual([]);
    for (const [i, block] of (blocks as { bytes: Uint8Array; release(): void }[]).entries()) {
      // Written to by nobody else now.
      block.bytes.fill(100 + i);
      expect([...new Set(block.bytes)]).toEqual([100 + i]);
      block.release();
    }
    expect(channel.stats().bulk).toMatchObject({ heldBlocks: 0, heldBytes: 0 });
    await leavesNothing(before);
  });

  it("no process that ends as it likes leaves a name or a descriptor behind", async () => {
    await turns(3);
    const before = state();
    for (const end of [
      `process.kill(process.pid, "SIGKILL")`,
      `process.exit(0)`,
      `channel.destroy()`,
      `await channel.close()`,
    ]) {
      const { channel, ended } = await peer(
        "shm",
        `await channel.send({ block: channel.tryAllocate(${MIB}) });
        globalThis.kept = [channel.tryAllocate(100), channel.tryAllocate(${MIB}), await channel.receive()];
        await channel.send({ block: globalThis.kept[0] });
        ${end};`,
        { backing },
      );
      const block = channel.tryAllocate(MIB);
      await channel.send({ block });
      await ended;
      await channel.closed;
      for (let message = channel.tryReceive(); message !== undefined; message = channel.tryReceive()) {
        (message as { block: Disposable }).block[Symbol.dispose]();
      }
      expect(counts(channel)).toEqual({ own: 0, lent: 0, held: 0 });
    }
    await leavesNothing(before);
    expect(names()).toEqual([]);
  });
});

describe("messages that were not read when the owner closed in order", () => {
  it("can still be received, with their blocks, and long ones", async () => {
    const { a, b } = await pair<unknown>("shm");
    const blocks = [100, 5000, MIB].map((size, i) => {
      const block = a.tryAllocate(size)!;
      stamp(block.bytes, i);
      return block;
    });
    const [shared] = a.tryAllocate(MIB)!.share(1);
    stamp(shared!.bytes, 3);
    await a.send({ blocks: [...blocks, shared] });
    await a.send("x".repeat(300_000));
    await a.close();
    await until(() => b.state === "closed");
    const message = b.tryReceive() as Message;
    expect(message.blocks.map(({ bytes }, i) => brokenAt(bytes, i))).toEqual([-1, -1, -1, -1]);
    expect(b.tryReceive()).toBe("x".repeat(300_000));
    for (const block of message.blocks) block.release();
    expect([counts(a), counts(b)]).toEqual([
      { own: 0, lent: 0, held: 0 },
      { own: 0, lent: 0, held: 0 },
    ]);
  });

  it("let go of their blocks where nobody wants them any more", async () => {
    await turns(3);
    const before = state();
    const { a, b } = await pair<Message>("shm");
    for (let i = 0; i < 10; i++) await a.send({ id: i, blocks: [a.tryAllocate(MIB)!] });
    await a.close();
    await until(() => b.state === "closed");
    expect(counts(b).held).toBe(10);
    await b.close();
    expect(counts(b)).toEqual({ own: 0, lent: 0, held: 0 });
    await leavesNothing(before);
  });

  it("bring home what the other had sent back, and what it had not", async () => {
    const { a, b } = await pair<Message>("shm");
    const sent = [MIB, 100, 200_000].map((size, i) => {
      const block = a.tryAllocate(size)!;
      stamp(block.bytes, i);
      return block;
    });
    const [shared] = a.tryAllocate(MIB)!.share(1);
    stamp(shared!.bytes, 3);
    await a.send({ id: 1, blocks: [...sent, shared!] });
    const message = await b.receive();
    const kept = message.blocks.splice(1, 1)[0]!;
    await b.send(message);
    await b.close();
    await until(() => a.state === "closed");
    const home = a.tryReceive()!;
    expect(home.blocks.map(({ bytes }, i) => brokenAt(bytes, [0, 2, 3][i]!))).toEqual([-1, -1, -1]);
    expect(counts(a)).toMatchObject({ lent: 0, held: 0 });
    for (const block of [...home.blocks, kept]) block.release();
    expect(a.stats().bulk).toMatchObject({ ownBlocks: 0, allocatedBytes: 0 });
  });
});

describe("at full speed, unchecked", () => {
  const run = async (code: string, environment: Record<string, string> = {}, options: string[] = []) => {
    const directory = privateDirectory();
    const { ended } = script(
      `const server = await ringbell.listen("one", { directory: ${JSON.stringify(directory)}, transport: "shm" });
      const b = await ringbell.connect("one", { directory: ${JSON.stringify(directory)} });
      let a; for await (const channel of server) { a = channel; break; }
      const turns = async (count) => { for (let i = 0; i < count; i++) await new Promise((done) => setImmediate(done)); };
      ${code}`,
      { RINGBELL_CHECK_BLOCKS: "", ...environment },
      options,
    );
    return ended;
  };

  it("views outlive their blocks, but not their memory: then their length is 0", async () => {
    const { output, code } = await run(`
      const block = a.tryAllocate(1000);
      const view = block.bytes;
      view.fill(1);
      await a.send({ block });
      const message = await b.receive();
      const theirs = message.block.bytes;
      const lengths = [view.length, theirs.length, theirs[999]];
      message.block.release();
      lengths.push(view.length, theirs.length);
      a.destroy();
      await b.closed;
      lengths.push(view.length, theirs.length);
      report(JSON.stringify(lengths));
      await server.close();`);
    expect([JSON.parse(output), code]).toEqual([[1000, 1000, 1, 1000, 1000, 0, 0], 0]);
  });

  it("views of a segment that goes when idle have the length 0, on both sides", async () => {
    const { output } = await run(`
      const block = a.tryAllocate(${MIB});
      const view = block.bytes;
      await a.send({ block });
      const message = await b.receive();
      const theirs = message.block.bytes;
      message.block.release();
      const lengths = [view.length, theirs.length];
      while (view.length > 0) await new Promise((done) => setTimeout(done, 50));
      await turns(10);
      lengths.push(view.length, theirs.length);
      report(JSON.stringify(lengths));
      await server.close();`);
    expect(JSON.parse(output)).toEqual([MIB, MIB, 0, 0]);
  });

  it("a block's buffer is not transferred or cloned by accident", async () => {
    const attempts = `
      const { MessageChannel } = await import("node:worker_threads");
      const { port1, port2 } = new MessageChannel();
      const results = [];
      const attempt = (what) => { try { what(); results.push("done"); } catch (error) { results.push(error.name); } };
      await a.send({ block: a.tryAllocate(1000) });
      for (const block of [a.tryAllocate(1000), a.tryAllocate(1000).share(1)[0], (await b.receive()).block]) {
        block.bytes.fill(7);
        attempt(() => structuredClone(block));
        attempt(() => port1.postMessage(block));
        attempt(() => port1.postMessage({ deep: [block] }));
        attempt(() => structuredClone(block.bytes, { transfer: [block.bytes.buffer] }));
        attempt(() => port1.postMessage(block.bytes, [block.bytes.buffer]));
        if (ArrayBuffer.prototype.transfer) attempt(() => block.bytes.buffer.transfer());
        else results.push("TypeError");
        results.push(block.bytes.length, block.bytes[999]);
        // The bytes themselves can be cloned: a copy.
        const copy = structuredClone(block.bytes);
        copy.fill(8);
        results.push(block.bytes[999]);
        block.release();
      }
      port1.close();
      report(JSON.stringify(results));
      await server.close();`;
    // Whether a transfer fails, or copies instead, depends on the version of Node; the memory stays in any case.
    const either = expect.stringMatching(/^(DataCloneError|done)$/);
    const refused = expect.stringMatching(/^(DataCloneError|BlockError)$/);
    const moved = expect.stringMatching(/^(TypeError|done)$/);
    const each = [refused, refused, refused, either, either, moved, 1000, 7, 7];
    for (const checked of ["", "1"]) {
      const { output } = await run(attempts, { RINGBELL_CHECK_BLOCKS: checked });
      expect(JSON.parse(output)).toEqual([...each, ...each, ...each]);
    }
  });

  const forget = `
    const warnings = [];
    process.on("warning", (warning) => warnings.push(warning.message));
    const forgetOwn = () => void a.tryAllocate(300000).bytes.fill(1);
    const forgetReceived = async () => void (await b.receive()).block.bytes[0];
    for (let i = 0; i < 20; i++) {
      forgetOwn();
      await a.send({ block: a.tryAllocate(200000) });
      await forgetReceived();
    }
    const [shared] = a.tryAllocate(100000).share(1);
    a.trySend({ block: shared });
    await forgetReceived();
    for (let i = 0; i < 100; i++) {
      globalThis.gc();
      await turns(2);
      const { ownBlocks, lentBlocks } = a.stats().bulk;
      if (ownBlocks + lentBlocks === 0) break;
    }
    const { ownBlocks, lentBlocks } = a.stats().bulk;
    report(JSON.stringify({ ownBlocks, lentBlocks, held: b.stats().bulk.heldBlocks, warnings }));
    await server.close();`;

  it("blocks that were collected without release come back, and one warning says what to do", async () => {
    const { output } = await run(forget, {}, ["--expose-gc", "--no-warnings"]);
    const { warnings, ...rest } = JSON.parse(output) as { warnings: string[] };
    expect(rest).toEqual({ ownBlocks: 0, lentBlocks: 0, held: 0 });
    expect(warnings).toEqual([expect.stringMatching(/garbage-collected.*RINGBELL_TRACE_BLOCKS=1/)]);
  });

  it("traced, the warning names the place where the block was made or received", async () => {
    const { output } = await run(forget, { RINGBELL_TRACE_BLOCKS: "1" }, ["--expose-gc", "--no-warnings"]);
    const { warnings, ...rest } = JSON.parse(output) as { warnings: string[] };
    expect(rest).toEqual({ ownBlocks: 0, lentBlocks: 0, held: 0 });
    expect(warnings.length).toBe(1);
    // A receive that had to wait is answered from the loop, by one way or the other.
    expect(warnings[0]).toMatch(/forgetOwn|forgetReceived|ReceivingHalf\.answer/);
  });

  it("blocks that are still in use are not collected, however often the collector runs", async () => {
    const { output } = await run(
      `const kept = [];
      for (let i = 0; i < 20; i++) {
        const block = a.tryAllocate(1000 + i);
        block.bytes.fill(i);
        if (i % 2 === 0) { kept.push(block); continue; }
        await a.send({ block });
        kept.push((await b.receive()).block);
      }
      const bytes = kept.map((block) => block.bytes);
      for (let i = 0; i < 10; i++) { globalThis.gc(); await turns(2); }
      report(JSON.stringify([a.stats().bulk.ownBlocks, b.stats().bulk.heldBlocks, bytes.every((each, i) => each[999] === i)]));
      await server.close();`,
      {},
      ["--expose-gc"],
    );
    expect(JSON.parse(output)).toEqual([10, 10, true]);
  });
});

describe("a process that exits within a message handler", () => {
  it.each(["", "1"])("with blocks in its hands ends in order (checked: %s)", async (checked) => {
    const { channel, ended } = await peer(
      "shm",
      `channel.on("message", ({ block, id }) => {
        block.bytes[0]++;
        globalThis.kept = [...(globalThis.kept ?? []), block, channel.tryAllocate(5000)];
        if (id === 50) process.exit(0);
      });`,
      {},
      { RINGBELL_CHECK_BLOCKS: checked },
    );
    for (let id = 0; id < 100; id++) {
      await channel.send({ id, block: channel.tryAllocate(1000) }).catch(() => {});
    }
    expect(await ended).toMatchObject({ code: 0, output: "" });
    await channel.closed;
    expect(counts(channel).lent).toBe(0);
  });
});

describe("worker threads", () => {
  const module = new URL("../../dist/index.js", import.meta.url).href;

  function worker(code: string): Worker {
    const made = new Worker(
      `import(${JSON.stringify(module)}).then(async (ringbell) => {
        const { parentPort } = require("node:worker_threads");
        ${code}
      });`,
      { eval: true },
    );
    onTestFinished(() => void made.terminate());
    return made;
  }

  it("receive blocks of their own channels, and send them back", async () => {
    const directory = privateDirectory();
    const server = await listen<Message>("w", { directory, transport: "shm" });
    onTestFinished(() => server.close());
    const thread = worker(`
      const channel = await ringbell.connect("w", ${JSON.stringify({ directory })});
      for await (const message of channel) {
        for (const { bytes } of message.blocks) bytes.fill(message.id);
        const made = channel.tryAllocate(1000);
        made.bytes.fill(message.id + 1);
        await channel.send({ id: message.id, blocks: [...message.blocks, made] });
      }
      parentPort.postMessage(channel.stats().bulk);`);
    const channel = await first(server);
    for (let id = 1; id <= 50; id++) {
      await channel.send({ id, blocks: [channel.tryAllocate(100)!, channel.tryAllocate(MIB)!] });
      const { blocks } = await channel.receive();
      expect(blocks.map(({ bytes }) => [bytes.length, ...new Set(bytes)])).toEqual([
        [100, id],
        [MIB, id],
        [1000, id + 1],
      ]);
      for (const block of blocks) block.release();
    }
    const done = once(thread, "message");
    await channel.close();
    const [bulk] = await done;
    expect(bulk).toMatchObject({ ownBlocks: 0, lentBlocks: 0, heldBlocks: 0, receivedBlocks: 100 });
  });

  it("can be terminated in the middle: what they had comes back, and what they gave stays", async () => {
    await turns(3);
    const before = mappings();
    const directory = privateDirectory();
    const server = await listen<Message>("t", { directory, transport: "shm" });
    for (let round = 0; round < 5; round++) {
      const thread = worker(`
        const channel = await ringbell.connect("t", ${JSON.stringify({ directory })});
        const kept = [];
        channel.on("message", ({ blocks }) => kept.push(...blocks));
        for (let id = 0; ; id++) {
          const block = await channel.allocate(id % 3 === 0 ? 300000 : 1000);
          block.bytes.fill(id);
          await channel.send({ id, blocks: [block] });
        }`);
      const exit = once(thread, "exit");
      const channel = await first(server);
      const got: Message[] = [];
      channel.on("message", (message) => {
        got.push(message);
        if (got.length % 7 === 0)
          for (const block of got.splice(0, 5).flatMap(({ blocks }) => blocks)) block.release();
        if (message.id < 200) channel.trySend({ id: 0, blocks: [channel.tryAllocate(1000)!] });
        if (message.id === 200) void thread.terminate();
      });
      expect((await channel.closed).reason).toBe("peer-died");
      for (const { id, blocks } of got) {
        expect([...new Set(blocks[0]!.bytes)]).toEqual([id & 0xff]);
        blocks[0]!.release();
      }
      expect(counts(channel)).toEqual({ own: 0, lent: 0, held: 0 });
      await exit;
    }
    await server.close();
    await turns(3);
    // Fewer, if one of a test before was still there.
    expect(mappings()).toBeLessThanOrEqual(before);
  });
});

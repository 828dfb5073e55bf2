import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Block } from "ringbell";
import { describe, expect, it } from "vitest";
import {
  brokenAt,
  counts,
  KIB,
  type Message,
  MIB,
  mappings,
  pair,
  peer,
  privateDirectory,
  reported,
  script,
  stamp,
  turns,
  until,
} from "./setup.js";

const shm = (options = {}) => pair<Message>("shm", options);

/** What smaps says, in bytes, of mappings of at least `least` bytes of our memory in a process. */
function smaps(pid: number, least: number): { inode: string; rss: number; pss: number }[] {
  return readFileSync(`/proc/${pid}/smaps`, "utf8")
    .split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
    .filter((mapping) => /memfd:ringbell|\/dev\/shm\/ringbell/.test(mapping.split("\n")[0]!))
    .filter((mapping) => kilobytes(mapping, "Size") >= least)
    .map((mapping) => ({
      inode: mapping.split(/\s+/)[4]!,
      rss: kilobytes(mapping, "Rss"),
      pss: kilobytes(mapping, "Pss"),
    }));
}

function kilobytes(mapping: string, what: string): number {
  return Number(new RegExp(`^${what}:\\s+(\\d+) kB`, "m").exec(mapping)?.[1]) * KIB;
}

describe("shared memory", () => {
  it("of one block that four processes hold is there once", async () => {
    const size = 32 * MIB;
    const children = await Promise.all(
      Array.from({ length: 4 }, () =>
        peer(
          "shm",
          `const { blocks } = await channel.receive();
          let sum = 0;
          for (let i = 0; i < blocks[0].bytes.length; i += 4096) sum += blocks[0].bytes[i];
          globalThis.kept = blocks;
          report(String(sum));
          for await (const message of channel) { blocks[0].release(); break; }
          report("released");
          await channel.closed;`,
        ),
      ),
    );
    const owner = children[0]!.channel;
    const block = owner.tryAllocate(size)!;
    block.bytes.fill(1);
    const reports = children.map(({ child }) => reported(child));
    const handles = block.share(4);
    for (const [i, { channel }] of children.entries()) channel.trySend({ id: 1, blocks: [handles[i]!] });
    expect(await Promise.all(reports)).toEqual(Array(4).fill(String(size / 4096)));
    const all = [process.pid, ...children.map(({ child }) => child.pid!)].map((pid) => smaps(pid, size));
    expect(all.map((each) => each.length)).toEqual(Array(5).fill(1));
    expect(new Set(all.map(([each]) => each!.inode)).size).toBe(1);
    const resident = all.reduce((sum, [each]) => sum + each!.pss, 0);
    expect(resident).toBeGreaterThan(size * 0.99);
    expect(resident).toBeLessThan(size * 1.05);
    // It goes with the last.
    for (const [i, { child, channel }] of children.entries()) {
      expect(smaps(process.pid, size).length).toBe(1);
      const released = reported(child);
      channel.trySend("go");
      await released;
      if (i === 3) await until(() => smaps(process.pid, size).length === 0);
    }
    expect(owner.stats().bulk.allocatedBytes).toBe(0);
  });

  it("that was received is forwarded to another channel as a copy, and says so", async () => {
    const [one, other] = [await shm(), await shm()];
    const handles = one.a.tryAllocate(MIB)!.share(1);
    stamp(handles[0]!.bytes, 4);
    await one.a.send({ id: 1, blocks: handles });
    const message = await one.b.receive();
    await other.a.send(message);
    expect(message.blocks[0]!.gone).toBe(true);
    expect(other.a.stats().bulk.copiedBytes).toBe(MIB);
    const [copy] = (await other.b.receive()).blocks;
    expect(brokenAt(copy!.bytes, 4)).toBe(-1);
    copy!.release();
    await until(() => counts(one.a).lent + counts(other.a).lent === 0);
    expect([counts(one.b), counts(other.a)]).toEqual(Array(2).fill({ own: 0, lent: 0, held: 0 }));
  });

  it("outlives the channel that it was allocated by, on the others", async () => {
    await turns(3);
    const before = mappings();
    const [one, other] = [await shm(), await shm()];
    const handles = one.a.tryAllocate(MIB)!.share(2);
    stamp(handles[0]!.bytes, 4);
    one.a.destroy();
    await one.b.closed;
    for (const id of [0, 1]) {
      await other.a.send({ id, blocks: [handles[id]!] });
      const [block] = (await other.b.receive()).blocks;
      expect(brokenAt(block!.bytes, 4)).toBe(-1);
      block!.release();
    }
    await until(() => counts(other.a).lent === 0);
    other.a.destroy();
    await other.b.closed;
    await turns(3);
    // Fewer, if one of a test before was still there.
    expect(mappings()).toBeLessThanOrEqual(before);
  });

  it("comes back from a channel that ended, with what its peer held", async () => {
    const [one, other] = [await shm({ maxBulkBytes: MIB }), await shm()];
    const handles = one.a.tryAllocate(MIB)!.share(2);
    for (const [id, handle] of handles.entries()) await other.a.send({ id, blocks: [handle] });
    const kept = (await other.b.receive()).blocks[0]!;
    stamp(kept.bytes, 1);
    expect(one.a.tryAllocate(1)).toBeUndefined();
    const waiting = one.a.allocate(MIB);
    other.a.destroy();
    (await waiting).release();
    // What the peer holds stays its own.
    expect(brokenAt(kept.bytes, 1)).toBe(-1);
    kept.release();
    await other.b.close();
  });

  it("does not keep what belongs to channels that ended, however long it lives", async () => {
    const { ended } = script(
      `const directory = ${JSON.stringify(privateDirectory())};
      const server = await ringbell.listen("gc", { directory, transport: "shm", capacity: 4096 });
      server.on("connection", (channel) => channel.on("message", ({ block }) => block.release()));
      let collected = 0;
      const registry = new FinalizationRegistry(() => collected++);
      const owner = await ringbell.connect("gc", { directory });
      let [handle] = owner.tryAllocate(1000).share(1);
      for (let i = 0; i < 100; i++) {
        const channel = await ringbell.connect("gc", { directory });
        registry.register(channel);
        const handles = handle.share(2);
        handle = handles[0];
        await channel.send({ block: handles[1] });
        await channel.flush();
        await channel.close();
      }
      for (let i = 0; i < 20; i++) { globalThis.gc(); await new Promise((resolve) => setImmediate(resolve)); }
      report(JSON.stringify([collected > 90, handle.byteLength]));
      await owner.close();
      await server.close();`,
      {},
      ["--expose-gc"],
    );
    expect(JSON.parse((await ended).output)).toEqual([true, 1000]);
  });
});

describe("sealed memory", () => {
  it("shows the owner nothing of what a receiver writes, nor one receiver what another does", async () => {
    const [one, other] = [await shm(), await shm()];
    const handles = one.a.tryAllocate(MIB)!;
    stamp(handles.bytes, 6);
    const [kept, ...sent] = handles.seal().share(3);
    await one.a.send({ id: 1, blocks: [sent[0]!] });
    await other.a.send({ id: 1, blocks: [sent[1]!] });
    const [first, second] = [(await one.b.receive()).blocks[0]!, (await other.b.receive()).blocks[0]!];
    first.bytes.fill(1);
    expect([brokenAt(second.bytes, 6), brokenAt(kept!.bytes, 6)]).toEqual([-1, -1]);
    second.bytes.fill(2);
    kept!.bytes.fill(3);
    expect([first, second, kept!].map(({ bytes }) => [...new Set(bytes)])).toEqual([[1], [2], [3]]);
    // Who gets it anew gets what was sealed.
    await one.b.send({ id: 2, blocks: [first] });
    const home = (await one.a.receive()).blocks[0]!;
    await one.a.send({ id: 3, blocks: [home] });
    const again = (await one.b.receive()).blocks[0]!;
    expect(brokenAt(again.bytes, 6)).toBe(-1);
    for (const block of [again, second, kept!]) block.release();
    await until(() => counts(one.a).lent + counts(other.a).lent === 0);
  });

  it("is a copy where the receiver knew the memory before: it could still write to it", async () => {
    const { a, b } = await shm();
    const block = a.tryAllocate(MIB)!;
    await a.send({ id: 1, blocks: [block] });
    await b.send(await b.receive());
    const home = (await a.receive()).blocks[0]!;
    stamp(home.bytes, 2);
    const before = a.stats().bulk.allocatedBytes;
    home.seal();
    expect(a.stats().bulk.allocatedBytes).toBe(before + MIB);
    expect([home.sealed, brokenAt(home.bytes, 2)]).toEqual([true, -1]);
    await a.send({ id: 2, blocks: [home] });
    release(await b.receive());
  });

  it("can be made beside named memory, and is not announced as such", async () => {
    const { a, b } = await shm({ backing: "named" });
    const block = a.tryAllocate(MIB)!;
    stamp(block.bytes, 2);
    await a.send({ id: 2, blocks: [block.seal()] });
    const message = await b.receive();
    expect([message.blocks[0]!.sealed, brokenAt(message.blocks[0]!.bytes, 2)]).toEqual([true, -1]);
    release(message);
  });
});

function release({ blocks }: { blocks: Block[] }): void {
  for (const block of blocks) block.release();
}

/** Both ends of a channel in a process of its own, and what comes of asking for memory that is not there; then `after`. */
const full = (options: string, fill: string, after: string) => `
  import * as fs from "node:fs";
  const directory = process.env.TEST_DIRECTORY;
  const server = await ringbell.listen("full", { directory, transport: "shm", ${options} });
  const b = await ringbell.connect("full", { directory, ${options} });
  const a = await server[Symbol.asyncIterator]().next().then(({ value }) => value);
  const codes = [];
  const attempt = async (what) => {
    try { const result = await what(); codes.push(result === undefined ? "undefined" : "done"); return result; }
    catch (error) { codes.push(error.code); }
  };
  ${fill}
  await attempt(() => a.tryAllocate(4 << 20));
  await attempt(() => a.allocate(4 << 20));
  await attempt(() => a.allocate(12 << 20));
  await attempt(() => a.send({ long: "x".repeat(4 << 20) }));
  const kept = await attempt(() => a.tryAllocate(300_000));
  kept.bytes.fill(1);
  await attempt(() => kept.share(2));
  ${after}
  codes.push(a.stats().state);
  report(JSON.stringify(codes));
  process.exit(0);
`;

describe("memory that is full", () => {
  const NO_SPACE = "ERR_RINGBELL_NO_SPACE";
  const expected = [NO_SPACE, NO_SPACE, NO_SPACE, NO_SPACE, "done", "done"];

  function run(code: string, wrap: (command: string) => string[]): unknown {
    const module = new URL("../../dist/index.js", import.meta.url).href;
    const source = `import * as ringbell from ${JSON.stringify(module)};
      const report = (text) => process.stdout.write(text + "\\n");
      ${code}`;
    const node = `exec ${JSON.stringify(process.execPath)} --input-type=module -e "$TEST_SOURCE"`;
    const [command, ...args] = wrap(node);
    const { stdout, stderr } = spawnSync(command!, args, {
      encoding: "utf8",
      env: { ...process.env, TEST_SOURCE: source, TEST_DIRECTORY: privateDirectory() },
    });
    expect(stderr).toBe("");
    return JSON.parse(stdout);
  }

  const canMount = spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"]).status === 0;

  it.skipIf(!canMount)(
    `named is a typed error, and can be tried again${canMount ? "" : " (skipped: needs the right to mount)"}`,
    () => {
      const code = full(
        `backing: "named"`,
        `fs.writeFileSync("/dev/shm/ballast", Buffer.alloc(7 << 20));`,
        `fs.rmSync("/dev/shm/ballast");
        const block = await attempt(() => a.allocate(4 << 20));
        block.bytes.fill(2);
        await a.send({ block });
        codes.push((await b.receive()).block.bytes[4194303]);`,
      );
      const codes = run(code, (node) => [
        "unshare",
        "-m",
        "sh",
        "-c",
        `mount -t tmpfs -o size=10m tmpfs /dev/shm && ${node}`,
      ]);
      expect(codes).toEqual([...expected, "done", 2, "open"]);
    },
  );

  it("sealed is a typed error", () => {
    // The limit of the length of a file holds for memory, too. It can't be raised again.
    const codes = run(full(`backing: "sealed"`, "", ""), (node) => ["sh", "-c", `ulimit -f 3000 && ${node}`]);
    expect(codes).toEqual([...expected, "open"]);
  });
});
